import { SEVERITIES } from '../gateway/model/alarm.ts'
import type { AreaGeometry } from '../gateway/model/area.ts'
import { durationMs } from '../gateway/model/duration.ts'
import type { Kinds } from '../gateway/model/kind.ts'
import { ANY_KIND, type Rule } from '../gateway/model/rule.ts'
import { CellMap, type RuleCells } from './cells.ts'
import type { Column, Joins } from './column.ts'
import { looksAtOthers } from './conditions.ts'
import { instantOf } from './effective.ts'
import { compile, type CompiledCondition } from './evaluate.ts'
import type { Facts, Subject, Test } from './facts.ts'
import { Layout, type Feed, type Rating, type Signal } from './layout.ts'
import type { Parameter, Place } from './local.ts'
import type { Panes } from './panes.ts'
import { emptyRings, ringsOf } from './rings.ts'
import { ROW_HEADER } from './tail.ts'
import { AGGREGATES, type Window } from './window.ts'

/** What rules may speak of beside a device's readings. */
export interface World {
  readonly kinds: Kinds
  /** Of the district, by name. */
  readonly areas: ReadonlyMap<string, AreaGeometry>
}

export const EMPTY_WORLD: World = { kinds: new Map(), areas: new Map() }

export interface JudgedRule extends RuleCells {
  readonly rule: Rule
  /** By index into SEVERITIES; null where the rule has no such severity. */
  readonly levels: readonly (Test | null)[]
  readonly subjects: readonly Subject[]
  /** Of its levels, whether each holds by what was said alone; empty where it waits for nobody's silence. */
  readonly spoken: readonly (Test | null)[]
  /** null: the negation of all severities. */
  readonly clear: Test | null
  readonly absents: CompiledCondition['absents']
  readonly boundaries: readonly ((facts: Facts) => number)[]
  /** Attributes of which its thresholds and hours are made. */
  readonly attributes: ReadonlySet<string>
  /** Whether nothing but readings can wake it. */
  readonly isTimeless: boolean
  /** Whether it follows a number that several columns make together. */
  readonly isRated: boolean
  readonly forMs: number
  readonly clearForMs: number
  /** In force, event time: `from` included, `until` not. */
  readonly from: number
  readonly until: number
}

/** A column of the row, and who is to judge when it has a number. By index into the plan's rules. */
export interface PlanColumn extends Readonly<Omit<Feed, 'column' | 'windows'>> {
  /** Known by it in saved states. */
  readonly key: string
  readonly read: Column['read']
  readonly metric: string | null
  readonly joins: Joins
  /**
   * Where its last number is when nothing else is kept of it, so that the same number again changes nothing, unless
   * another was {@link reported} in between; or -1.
   */
  readonly steady: number
  /** What is made of it over time, and the cell where that goes. */
  readonly windows: readonly { readonly window: Window; readonly signal: number }[]
  /** Rules that look at what is believed of it. */
  readonly rules: Int32Array
  /** Rules that look at all of it. */
  readonly doubters: Int32Array
  /** Where the evidence of those among them is that days or hours can wake. */
  readonly hourly: Int32Array
  readonly hourlyDoubters: Int32Array
  /** The shortest silence that any rule waits for, ms. */
  readonly patience: number
}

/** Everything that the readings of one kind are judged by, compiled. */
export interface Plan {
  readonly kind: string
  /** Whose readings it takes: '' for the device's own, else as conditions call them after `of`. */
  readonly sources: readonly string[]
  readonly columns: readonly PlanColumn[]
  readonly signals: readonly Signal[]
  readonly windows: readonly { readonly key: string; readonly window: Window }[]
  /** Of those. */
  readonly panes: readonly Panes[]
  readonly ratings: readonly Rating[]
  readonly parameters: readonly Parameter[]
  readonly places: readonly Place[]
  readonly rules: readonly JudgedRule[]
  readonly cells: CellMap
  /** The numbers of a device that was never heard. */
  readonly blank: Float64Array
  /** And its rings. */
  readonly rings: Float64Array
  /** Room to lay out one row in, so that a reading costs no allocation. */
  readonly row: Float64Array
  /** Room to note which rules a row concerns. */
  readonly calls: Calls
}

/** Notes rules, each once; emptied for every row. */
export class Calls {
  readonly queue: Int32Array
  size = 0
  readonly #rounds: Uint32Array
  #round = 0

  constructor(rules: number) {
    this.queue = new Int32Array(rules)
    this.#rounds = new Uint32Array(rules)
  }

  begin(): void {
    this.size = 0
    this.#round = (this.#round + 1) >>> 0
    if (this.#round > 0) return
    // Begun anew: nobody was called in a round of this number.
    this.#rounds.fill(0)
    this.#round = 1
  }

  add(rule: number): void {
    if (this.#rounds[rule] === this.#round) return
    this.#rounds[rule] = this.#round
    this.queue[this.size++] = rule
  }
}

/**
 * One plan per kind that any rule is about, of the rules that look at nothing but a device's own readings. The
 * rules have passed `checkRules`.
 */
export function planRules(rules: readonly Rule[], world: World = EMPTY_WORLD): ReadonlyMap<string, Plan> {
  return planKinds(
    rules.filter((rule) => !looksAtOthers(rule)),
    world,
  )
}

/** The same of the rules that look at other devices too (`of`). Those are judged apart: see `links.ts`. */
export function planLinkedRules(
  rules: readonly Rule[],
  world: World = EMPTY_WORLD,
): ReadonlyMap<string, Plan> {
  return planKinds(rules.filter(looksAtOthers), world)
}

function planKinds(rules: readonly Rule[], world: World): ReadonlyMap<string, Plan> {
  return new Map(kindsOf(rules, world).map((kind) => [kind, planKind(kind, rules, world)]))
}

/** Kinds that any of the rules is about. */
export function kindsOf(rules: readonly Rule[], world: World): readonly string[] {
  const named = rules.filter(({ kind }) => kind !== ANY_KIND).map(({ kind }) => kind)
  const isForAll = named.length < rules.length
  return [...new Set([...named, ...(isForAll ? world.kinds.keys() : [])])]
}

/** Whether the rule is about devices of the kind. */
export function isAbout(rule: Rule, kind: string): boolean {
  return rule.kind === kind || rule.kind === ANY_KIND
}

/**
 * The plan of those among the rules that are about the kind. Rules that look at other devices are not to be
 * mixed with those that do not.
 */
export function planKind(kind: string, all: readonly Rule[], { kinds, areas }: World): Plan {
  const rules = all.filter((rule) => isAbout(rule, kind))
  const layout = new Layout(kinds.get(kind), kinds)
  const compiled = rules.map((rule) => {
    const scope = { layout, areas: new Map([...areas, ...Object.entries(rule.areas ?? {})]) }
    const { severity, clear } = rule
    return {
      rule,
      levels: SEVERITIES.map((level) =>
        severity[level] === undefined ? null : compile(severity[level], scope),
      ),
      clear: clear?.when === undefined ? null : compile(clear.when, scope),
      attributes: layout.takeAsked(),
    }
  })
  const { feeds, sources, signals, ratings, parameters, places } = layout
  const concerned = (columnsOf: (part: CompiledCondition) => readonly number[], column: number) =>
    compiled.flatMap(({ levels, clear }, index) => {
      const parts = [...levels, clear].filter((part) => part !== null)
      return parts.some((part) => columnsOf(part).includes(column)) ? [index] : []
    })
  const { windows, cells } = placed(signals, rules.length)
  const judged = compiled.map((rule, index) => judgedRule(rule, layout, cells.rule(index)))
  const hourly = (indices: readonly number[]) =>
    Int32Array.from(
      indices.flatMap((index) => (judged[index]!.boundaries.length > 0 ? judged[index]!.evidence : [])),
    )
  const columns = feeds.map((feed, index): PlanColumn => {
    const rules = concerned((part) => part.columns, index)
    const doubters = concerned((part) => part.doubts, index)
    // Name by name, here and for rules: copies by spread may be of a shape each, and every access to them slow.
    const { source, plain, heard, run, credibility, memory, reported, isRated } = feed
    const { read, metric = null, joins = 'greatest' } = feed.column
    return {
      source,
      plain,
      heard,
      run,
      credibility,
      memory,
      reported,
      isRated,
      steady: isSteady(feed) && hourly([...rules, ...doubters]).length === 0 ? lastOf(feed) : -1,
      windows: feed.windows.map(({ window, signal }) => ({ window: windows[window]!.window, signal })),
      key: layout.keyOf(index),
      read,
      metric,
      joins,
      rules: Int32Array.from(rules),
      doubters: Int32Array.from(doubters),
      hourly: hourly(rules),
      hourlyDoubters: hourly(doubters),
      patience: compiled
        .flatMap(({ levels, clear }) => [...levels, clear].flatMap((part) => part?.absents ?? []))
        .reduce(
          (least, { signal, silence }) => (signal === feed.heard ? Math.min(least, silence) : least),
          Infinity,
        ),
    }
  })
  const blank = cells.blank()
  const panes = windows.map(({ window }) => window.panes)
  for (const one of panes) one.clear(blank)
  return {
    kind,
    sources,
    columns,
    signals,
    ratings,
    parameters,
    places,
    windows,
    panes,
    rules: judged,
    cells,
    blank,
    rings: emptyRings(panes),
    row: new Float64Array(ROW_HEADER + columns.length),
    calls: new Calls(compiled.length),
  }
}

/** What is believed by its bounds alone is believed again. */
function isSteady({ credibility, heard, run, windows }: Feed): boolean {
  return credibility?.remembers !== true && heard < 0 && run < 0 && windows.length === 0
}

function lastOf({ plain, reported }: Feed): number {
  return plain >= 0 ? plain : reported
}

/** Windows one behind the other, and where they and everything else have their numbers. */
function placed(signals: readonly Signal[], rules: number): Pick<Plan, 'windows' | 'cells'> {
  const over = signals.flatMap(({ key, window }) => (window === undefined ? [] : [{ key, ...window }]))
  // A pane is a part of the width, and most readings have all metrics, but few bring a change: beside a window that
  // fills with every reading, one of changes would be given as much room.
  const rings = ringsOf(
    over.map(({ aggregate, width }) => {
      const pace = `${aggregate === 'changes' ? 'changes' : 'readings'} ${width}`
      return { pace, recordSize: AGGREGATES[aggregate].recordSize }
    }),
  )
  let at = new CellMap(signals.length, rules, 0).windows
  const windows = over.map(({ key, aggregate, width }, index) => {
    const window = new AGGREGATES[aggregate]({ width, at, ring: rings[index]! }, aggregate)
    at += window.panes.numbers
    return { key, window }
  })
  const numbers = windows.reduce((sum, { window }) => sum + window.panes.numbers, 0)
  return { windows, cells: new CellMap(signals.length, rules, numbers) }
}

interface CompiledRule {
  readonly rule: Rule
  readonly levels: readonly (CompiledCondition | null)[]
  readonly clear: CompiledCondition | null
  readonly attributes: ReadonlySet<string>
}

function judgedRule(
  { rule, levels, clear, attributes }: CompiledRule,
  { ratings }: Layout,
  { phase, evidence, due, cell }: RuleCells,
): JudgedRule {
  const parts = [...levels, clear].filter((part) => part !== null)
  const absents = parts.flatMap((part) => part.absents)
  const subjects = levels.flatMap((level) => level?.subjects ?? [])
  const boundaries = parts.flatMap((part) => part.boundaries)
  return {
    phase,
    evidence,
    due,
    cell,
    rule,
    levels: levels.map((level) => level?.test ?? null),
    subjects,
    isRated: subjects.some(({ signal }) => ratings.some((rating) => rating.signal === signal)),
    spoken: absents.length > 0 ? levels.map((level) => level?.spoken ?? null) : [],
    clear: clear?.test ?? null,
    absents,
    boundaries,
    attributes,
    isTimeless: absents.length === 0 && boundaries.length === 0,
    forMs: durationMs(rule.for ?? '0s'),
    clearForMs: durationMs(rule.clear?.for ?? '0s'),
    from: rule.effective?.from === undefined ? -Infinity : instantOf(rule.effective.from),
    until: rule.effective?.to === undefined ? Infinity : instantOf(rule.effective.to),
  }
}
