/** A case of `rules/testcases/`: rules, what devices send, and the alarms that must come of it. README.md says how. */
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { xorshift128plus } from 'pure-rand/generator/xorshift128plus'
import { uniformInt } from 'pure-rand/distribution/uniformInt'
import { parse } from 'yaml'
import type { Severity } from '../gateway/model/alarm.ts'
import type { AreaGeometry } from '../gateway/model/area.ts'
import { durationMs } from '../gateway/model/duration.ts'
import { loadKinds } from '../gateway/model/kinds.ts'
import type { Flag, MetricValue, Position, Reading } from '../gateway/model/reading.ts'
import { ANY_KIND, type Rule } from '../gateway/model/rule.ts'
import { checkRules } from './check.ts'
import { DeviceState, type Finding } from './device-state.ts'
import { advance, observe, refresh } from './engine.ts'
import { devicesBehind, Links } from './links.ts'
import type { Attributes } from './local.ts'
import { BUILT_IN_PACKS, loadRules, readRules, RuleError } from './pack.ts'
import { planLinkedRules, planRules, type Plan } from './plan.ts'
import { restore, snapshotOf, type Snapshot } from './snapshot.ts'

export const CASES = fileURLToPath(new URL('./testcases', import.meta.url))
const BOUNDS = { latenessMs: 5 * 60_000, staleAfterMs: 60 * 60_000 }
/** A Saturday. */
const START = '2024-06-01T12:00:00+08:00'

const kinds = loadKinds()
const packs = loadRules(BUILT_IN_PACKS, kinds)

/** What `rule.yaml` says when it holds no rules of its own. */
interface Use {
  /** Ids of rules of the built-in packs, or of `pack`. */
  readonly use: readonly string[]
  /** A file below `packs/` that is not loaded by default. */
  readonly pack?: string
  /** Areas of the district. */
  readonly areas?: Readonly<Record<string, AreaGeometry>>
}

/** A line of `input.jsonl`: what a device sends, or a device with its kind and attributes. */
interface Line {
  /** What it is to show: that what is just below the limit, or flagged, raises nothing, and that the alarm ends. */
  readonly phase?: 'below' | 'flagged' | 'over' | 'back'
  readonly device?: string
  readonly at?: string
  readonly ts?: number
  readonly to?: string
  readonly every?: string
  readonly received?: string
  readonly metrics?: Readonly<Record<string, MetricValue>>
  readonly flags?: Readonly<Record<string, Flag>>
  readonly position?: Position
  readonly kind?: string
  readonly attributes?: Attributes
}

interface Expected {
  readonly start?: string
  readonly until: string
  /** Not so when the case is about how late readings come. */
  readonly anyOrder?: boolean
  readonly alarms: readonly Outcome[]
}

/** An alarm that was not withdrawn; times are offsets from the start, null while it fires. */
export interface Outcome {
  readonly rule: string
  readonly device?: string
  readonly severity: string
  readonly from: string
  readonly to: string | null
  readonly value?: number
  readonly peak?: number
  readonly stale?: boolean
}

interface Arrival {
  readonly device: string
  readonly reading: Reading
  readonly receivedAt: number
}

/** What may come between a device and the rules. None of it may change the alarms. */
export interface Disturbance {
  /** After so many readings everything is saved and loaded. */
  readonly restartAfter?: number
  /** Timers are run before every reading. */
  readonly ticks?: boolean
  readonly doubled?: boolean
  /** Readings come in another order, each at most the lateness bound under way. */
  readonly shuffledBy?: number
}

/** A stretch of time in which what devices say is flagged M, in ms from the start; unlike the above it may matter. */
export interface Maintenance {
  readonly from: number
  /** For good without it. */
  readonly to?: number
  /** All of them without it. */
  readonly device?: string
  /** Only this metric, whether or not it is read; all that is read without it. */
  readonly metric?: string
}

const DEFAULT_DEVICE = 'd'

export function caseNames(): string[] {
  return readdirSync(CASES).filter((name) => existsSync(join(CASES, name, 'rule.yaml')))
}

export class TestCase {
  readonly rules: readonly Rule[]
  readonly expected: Expected
  readonly #areas: ReadonlyMap<string, AreaGeometry>
  readonly #start: number
  readonly #lines: readonly Line[]
  readonly #arrivals: readonly Arrival[]
  readonly #devices = new Map<string, { kind: string; attributes: Attributes }>()

  constructor(name: string) {
    const read = (file: string) => readFileSync(join(CASES, name, file), 'utf8')
    const content: unknown = parse(read('rule.yaml'))
    this.rules = isUse(content) ? rulesNamed(content, name) : rulesOf(content, name)
    this.#areas = new Map(isUse(content) ? Object.entries(content.areas ?? {}) : [])
    this.expected = JSON.parse(read('expected.json')) as Expected
    this.#start = Date.parse(this.expected.start ?? START)
    this.#lines = read('input.jsonl')
      .split('\n')
      .filter((line) => line !== '')
      .map((line) => JSON.parse(line) as Line)
    for (const { device = DEFAULT_DEVICE, kind, attributes = {} } of this.#lines) {
      const known = this.#devices.get(device)
      if (known === undefined || kind !== undefined) {
        this.#devices.set(device, { kind: kind ?? this.#kindOfRules(name), attributes })
      }
    }
    this.#arrivals = this.#lines.flatMap((line) => this.#arrivalsOf(line))
  }

  get readings(): number {
    return this.#arrivals.length
  }

  get devices(): readonly string[] {
    return [...this.#devices.keys()]
  }

  /** When anything was read, in ms from the start. */
  get moments(): readonly number[] {
    return [...new Set(this.#arrivals.map(({ reading }) => reading.ts - this.#start))].sort((a, b) => a - b)
  }

  /** First and last minute of the lines that show it; undefined when there are none. */
  phase(wanted: NonNullable<Line['phase']>): { readonly from: number; readonly to: number } | undefined {
    const lines = this.#lines.filter(({ phase }) => phase === wanted)
    if (lines.length === 0) return undefined
    const minute = (text: string) => offset(text) / 60_000
    return {
      from: Math.min(...lines.map(({ at }) => minute(at!))),
      to: Math.max(...lines.map(({ at, to }) => minute(to ?? at!))),
    }
  }

  run({ restartAfter, ticks = false, doubled = false, shuffledBy }: Disturbance = {}): Outcome[] {
    const run = new Run(this.rules, this.#devices, this.#areas)
    const arrivals = shuffledBy === undefined ? this.#arrivals : this.#shuffled(shuffledBy)
    for (const [index, arrival] of arrivals.toSorted((a, b) => a.receivedAt - b.receivedAt).entries()) {
      if (index === restartAfter) run.restart()
      if (ticks) run.advance(arrival.receivedAt)
      run.take(arrival)
      if (doubled) run.take({ ...arrival, receivedAt: arrival.receivedAt + 1000 })
    }
    run.advance(this.#start + offset(this.expected.until))
    return run.alarms().map((alarm) => this.#outcome(alarm))
  }

  /** The alarms by `until`, in ms from the start, of what was read before it, with what is under maintenance flagged. */
  runMaintained(
    maintenance: Maintenance | undefined,
    until = offset(this.expected.until),
  ): readonly MaintainedOutcome[] {
    const run = new Run(this.rules, this.#devices, this.#areas)
    for (const arrival of this.#arrivals.toSorted((a, b) => a.receivedAt - b.receivedAt)) {
      if (arrival.receivedAt - this.#start >= until) break
      run.advance(arrival.receivedAt)
      const isMaintained = maintenance !== undefined && this.#isMaintained(arrival, maintenance)
      run.take(
        isMaintained ? { ...arrival, reading: maintained(arrival.reading, maintenance.metric) } : arrival,
      )
    }
    run.advance(this.#start + until)
    return run
      .alarms()
      .map(({ id, severity, startedAt }) => ({ id, severity, from: startedAt - this.#start }))
  }

  #isMaintained({ device, reading }: Arrival, { from, to = Infinity, device: only = device }: Maintenance) {
    const at = reading.ts - this.#start
    return device === only && at >= from && at < to
  }

  #kindOfRules(name: string): string {
    const [first] = this.rules
    if (first!.kind === ANY_KIND) throw new Error(`${name}: a line has to say of what kind a device is`)
    return first!.kind
  }

  #arrivalsOf(line: Line): Arrival[] {
    const { device = DEFAULT_DEVICE, metrics = {}, flags, position, received } = line
    if (line.at === undefined && line.ts === undefined) return []
    const from = line.ts ?? this.#start + offset(line.at!)
    const to = line.to === undefined ? from : this.#start + offset(line.to)
    const arrivals: Arrival[] = []
    for (let ts = from; ts <= to; ts += offset(line.every ?? '1m')) {
      const reading = { ts, metrics, ...(flags && { flags }), ...(position && { position }) }
      arrivals.push({
        device,
        reading,
        receivedAt: received === undefined ? ts : this.#start + offset(received),
      })
    }
    return arrivals
  }

  #shuffled(seed: number): Arrival[] {
    const random = xorshift128plus(seed)
    return this.#arrivals.map((arrival) => ({
      ...arrival,
      receivedAt: arrival.reading.ts + uniformInt(random, 0, BOUNDS.latenessMs),
    }))
  }

  /** As it is written: a number is told where the expectation tells one. */
  #outcome({ device, rule, severity, startedAt, clearedAt, value, peak, stale }: Found): Outcome {
    const written = (time: number) => `${(time - this.#start) / 60_000}m`
    return {
      rule: rule.id,
      ...(this.#devices.size > 1 && { device }),
      severity,
      from: written(startedAt),
      to: clearedAt === null ? null : written(clearedAt),
      ...(value !== null && { value }),
      ...(peak !== null && { peak }),
      ...(stale && { stale }),
    }
  }
}

export interface MaintainedOutcome {
  readonly id: string
  readonly severity: Severity
  /** In ms from the start. */
  readonly from: number
}

type Found = Finding & { readonly device: string }

/** The states of the devices of a case, as the gateway keeps them. */
class Run {
  readonly #devices: ReadonlyMap<string, { kind: string; attributes: Attributes }>
  readonly #links = new Links()
  readonly #book = new Map<string, Found>()
  #states = new Map<string, DeviceState>()

  constructor(
    rules: readonly Rule[],
    devices: ReadonlyMap<string, { kind: string; attributes: Attributes }>,
    areas: ReadonlyMap<string, AreaGeometry>,
  ) {
    const world = { kinds, areas }
    this.#devices = devices
    for (const [device, { kind, attributes }] of devices) {
      this.#keep(device, device, planRules(rules, world).get(kind))
      const linked = planLinkedRules(rules, world).get(kind)
      this.#keep(`${device}~linked`, device, linked)
      if (linked !== undefined) this.#links.set(device, devicesBehind(linked, device, attributes))
    }
  }

  take({ device, reading, receivedAt }: Arrival): void {
    this.#observe(device, device, reading, receivedAt, 0)
    this.#observe(`${device}~linked`, device, reading, receivedAt, 0)
    for (const { device: looker, source } of this.#links.at(device)) {
      this.#observe(`${looker}~linked`, looker, reading, receivedAt, source)
    }
  }

  advance(now: number): void {
    for (const state of this.#states.values()) this.#note(state.device, advance(state, now))
  }

  restart(): void {
    for (const [name, state] of this.#states) {
      const snapshot = JSON.parse(JSON.stringify(snapshotOf(state))) as Snapshot
      this.#states.set(name, restore(snapshot, state.device, state.plan, BOUNDS))
    }
  }

  alarms(): Found[] {
    for (const state of this.#states.values()) this.#note(state.device, refresh(state))
    return [...this.#book.values()]
      .filter(({ state }) => state !== 'withdrawn')
      .sort((a, b) => a.startedAt - b.startedAt || (a.id < b.id ? -1 : 1))
  }

  #keep(name: string, device: string, plan: Plan | undefined): void {
    if (plan === undefined) return
    this.#states.set(name, new DeviceState(device, plan, BOUNDS, this.#devices.get(device)!.attributes))
  }

  #observe(name: string, device: string, reading: Reading, receivedAt: number, source: number): void {
    const state = this.#states.get(name)
    if (state !== undefined) this.#note(device, observe(state, [reading], receivedAt, source))
  }

  #note(device: string, found: readonly Finding[]): void {
    for (const finding of found) this.#book.set(finding.id, { ...finding, device })
  }
}

function maintained({ flags, ...reading }: Reading, metric?: string): Reading {
  const names = metric === undefined ? Object.keys({ ...reading.metrics, ...flags }) : [metric]
  return { ...reading, flags: { ...flags, ...Object.fromEntries(names.map((name) => [name, 'M' as const])) } }
}

function isUse(content: unknown): content is Use {
  return typeof content === 'object' && content !== null && 'use' in content
}

function rulesNamed({ use, pack }: Use, name: string): readonly Rule[] {
  const rules = pack === undefined ? packs : readRules([join(BUILT_IN_PACKS, pack)], kinds)
  return use.map((id) => {
    const found = rules.find((rule) => rule.id === id)
    if (found === undefined) throw new Error(`${name}: no rule is called ${id}`)
    return found
  })
}

function rulesOf(content: unknown, name: string): readonly Rule[] {
  const { rules, problems } = checkRules([{ file: `${name}/rule.yaml`, content }], kinds)
  if (problems.length > 0) throw new RuleError(problems)
  return rules
}

/** Fractions too (`4.5m`): cases are for people to read. */
function offset(text: string): number {
  const [, number, unit] = /^(-?[\d.]+)(s|m|h|d)$/.exec(text)!
  return Number(number) * durationMs(`1${unit}`)
}
