import type { Rule } from '../gateway/model/rule.ts'
import { CELLS_PER_RULE, FOLD, PHASE } from './cells.ts'
import { DeviceState, type Bounds } from './device-state.ts'
import { findings, refold } from './engine.ts'
import { ROLES } from './links.ts'
import type { Attributes } from './local.ts'
import type { JudgedRule, Plan } from './plan.ts'
import { rearranged } from './rings.ts'
import { restoreWindow, windowNumbers } from './window.ts'

/**
 * A device's state as JSON. Signals, windows, columns and rules go by name, so a state outlives a change of
 * the rules: what is still there is kept, what is new begins empty. The head is not kept: it follows from
 * base, tail and clocks.
 *
 * JSON knows neither NaN nor the infinities: `null` is NaN, `'-'` is -Infinity and `'+'` is Infinity.
 */
export interface Snapshot {
  readonly columns: readonly string[]
  readonly rows: readonly Num[]
  readonly base: FoldSnapshot
  readonly newest: Num
  readonly lag: number
  readonly clock: Num
  readonly absentClock: Num
  /** By source, where the plan has several: event time of its newest reading. Of old there was but one for all of them. */
  readonly heard?: Readonly<Record<string, Num>>
  /** Those in force; absent when there are none. */
  readonly attributes?: Attributes
  /** By rule: up to when no reading concerns it, for what its former self has judged stays judged. */
  readonly frozen?: Readonly<Record<string, number>>
}

interface FoldSnapshot {
  readonly signals: Readonly<Record<string, Num>>
  /** What windows remember. Absent in states of old, which had it in another form: those windows begin empty. */
  readonly panes?: Readonly<Record<string, readonly Num[]>>
  /** `[evidence, due]` of one that is idle, else `[phase, since, evidence, due, severity, …]`. */
  readonly rules: Readonly<Record<string, readonly Num[]>>
  readonly now: Num
  readonly lastTs: Num
  readonly time: Num
  readonly stale: boolean
}

type Num = number | null | '-' | '+'

export function snapshotOf(state: DeviceState): Snapshot {
  const { tail, plan, attributes } = state
  return {
    columns: plan.columns.map(({ key }) => key),
    rows: packed(tail.data, tail.first, tail.end),
    base: snapshotOfFold(state, state.base),
    newest: pack(state.newest),
    lag: state.lag,
    clock: pack(state.clock),
    absentClock: pack(state.absentClock),
    ...(state.heard !== null && { heard: heardOf(state) }),
    ...(Object.keys(attributes).length > 0 && { attributes }),
    ...(state.frozen !== null && { frozen: frozenOf(state) }),
  }
}

/** The state that the snapshot was taken of. All it finds counts as said. */
export function restore(snapshot: Snapshot, device: string, plan: Plan, bounds: Bounds): DeviceState {
  const state = new DeviceState(device, plan, bounds, snapshot.attributes)
  restoreFold(snapshot.base, state)
  state.settledTs = state.base[plan.cells.fold + FOLD.lastTs]!
  restoreTail(snapshot, state)
  state.newest = unpack(snapshot.newest)
  state.lag = snapshot.lag
  state.clock = unpack(snapshot.clock)
  state.absentClock = unpack(snapshot.absentClock)
  for (const [index, source] of plan.sources.entries()) {
    const known = snapshot.heard === undefined ? snapshot.newest : snapshot.heard[source]
    if (known !== undefined && state.heard?.[index] === -Infinity) state.heard[index] = unpack(known)
  }
  freeze(state, snapshot.frozen ?? {})
  present(state)
  return state
}

function heardOf({ plan, heard }: DeviceState): Readonly<Record<string, Num>> {
  return Object.fromEntries(plan.sources.map((source, index) => [source, pack(heard![index]!)]))
}

/** Folds the head; all that it finds counts as said. */
function present(state: DeviceState): void {
  refold(state)
  state.head[state.plan.cells.fold + FOLD.changed] = 0
  state.said = new Map(findings(state).map((found) => [found.id, found]))
}

function frozenOf({ plan, frozen }: DeviceState): Readonly<Record<string, number>> {
  const until = plan.rules.map(({ rule }, index) => [rule.id, frozen?.until[index] ?? -Infinity] as const)
  return Object.fromEntries(until.filter(([, ts]) => Number.isFinite(ts)))
}

function freeze(state: DeviceState, frozen: Readonly<Record<string, number>>): void {
  const until = Float64Array.from(state.plan.rules, ({ rule }) => frozen[rule.id] ?? -Infinity)
  const last = Math.max(...until)
  state.frozen = last > state.settledTs ? { until, last } : null
}

/**
 * Goes on under changed rules or attributes from what is known now: running alarms and clocks are kept, and what
 * the former ones have judged is not judged again by the new ones: for a rule that was changed, or that compares with
 * an attribute that was, the lateness bound begins anew. For all others nothing changes. Where there is another device
 * behind a link, all that looked at it begins anew.
 */
export function underNewRules(
  state: DeviceState,
  plan: Plan,
  attributes: Attributes = state.attributes,
): DeviceState {
  const strangers = ROLES.filter((role) => attributes[role] !== state.attributes[role])
  const former = new Set(state.plan.rules.map(({ rule }) => textOf(rule)))
  const isChanged = ({ rule, attributes: its }: JudgedRule) =>
    !former.has(textOf(rule)) || its.values().some((name) => attributes[name] !== state.attributes[name])
  const changed = plan.rules.filter(isChanged)
  const same = strangers.length > 0 ? null : sameSights(state.plan, plan)
  if (same !== null) return carriedOver(state, plan, attributes, changed, same)
  const snapshot = { ...snapshotOf(state), attributes }
  const known = snapshotOfFold(state, state.head)
  if (strangers.length > 0) {
    const base = without(known, strangers)
    const heard = Object.fromEntries(
      Object.entries(snapshot.heard ?? {}).filter(([source]) => !strangers.some((role) => role === source)),
    )
    const next = restore({ ...snapshot, heard, base, rows: [], frozen: {} }, state.device, plan, state.bounds)
    next.fold.of(next, next.base, []).resetTimers(changed)
    next.present.resetTimers(changed)
    return next
  }
  // Of what is changed the present state holds from the base on, and is not touched up to the newest reading.
  const rules = { ...snapshot.base.rules }
  for (const { rule } of changed) {
    const its = known.rules[rule.id]
    if (its === undefined) delete rules[rule.id]
    else rules[rule.id] = its
  }
  const frozen = {
    ...snapshot.frozen,
    ...Object.fromEntries(changed.map(({ rule }) => [rule.id, state.newest] as const)),
  }
  const next = restore(
    { ...snapshot, base: { ...snapshot.base, rules }, ...(Number.isFinite(state.newest) && { frozen }) },
    state.device,
    plan,
    state.bounds,
  )
  takeOver(next, changed)
  return next
}

/** Rules whose former selves have judged: their clocks are their own from now on, and the base knows what the head does. */
function takeOver(next: DeviceState, changed: readonly JudgedRule[]): void {
  next.present.resetTimers(changed)
  for (const rule of changed) copyRule(next.head, rule, next.base, rule)
  next.fold.of(next, next.base, []).findDue()
}

/** Where the signals, windows and rules of a plan are in another that looks at the same: by index, -1 for none. */
interface SameSights {
  readonly signals: Int32Array
  readonly windows: Int32Array
  readonly rules: Int32Array
}

/** Every device of a kind is carried over at once: what is the same in both plans is found only for the first. */
const sights = new WeakMap<Plan, WeakMap<Plan, SameSights | null>>()

/** Null when the plan looks at anything that the former one does not know, as few edits make it. */
function sameSights(former: Plan, plan: Plan): SameSights | null {
  const known = sights.get(plan) ?? new WeakMap<Plan, SameSights | null>()
  sights.set(plan, known)
  const found = known.get(former)
  if (found !== undefined) return found
  const places = (keys: readonly string[], of: readonly string[]) =>
    Int32Array.from(keys, (key) => of.indexOf(key))
  const keys = (of: readonly { readonly key: string }[]) => of.map(({ key }) => key)
  const ids = (of: Plan) => of.rules.map(({ rule }) => rule.id)
  const columns = keys(former.columns)
  const same = {
    signals: places(keys(plan.signals), keys(former.signals)),
    windows: places(keys(plan.windows), keys(former.windows)),
    rules: places(ids(plan), ids(former)),
  }
  const isSame =
    plan.columns.length === columns.length &&
    plan.columns.every(({ key }, index) => key === columns[index]) &&
    ![...same.signals, ...same.windows].includes(-1)
  known.set(former, isSame ? same : null)
  return isSame ? same : null
}

/** The same as by way of a snapshot, where nothing has to be folded again. Takes the tail of the former state. */
function carriedOver(
  state: DeviceState,
  plan: Plan,
  attributes: Attributes,
  changed: readonly JudgedRule[],
  same: SameSights,
): DeviceState {
  const next = new DeviceState(state.device, plan, state.bounds, attributes, state.tail)
  const former = Array.from(same.windows, (index) => state.plan.panes[index]!)
  next.rings = rearranged(state.rings, former, plan.panes)
  for (const which of ['base', 'head'] as const) carryFold(state[which], state.plan, next[which], plan, same)
  const renamed = new Map([...same.rules].map((former, index) => [former, index]))
  next.closed = state.closed.flatMap((closed) => {
    const rule = renamed.get(closed.rule)
    return rule === undefined || changed.includes(plan.rules[rule]!) ? [] : [{ ...closed, rule }]
  })
  next.settledTs = state.settledTs
  next.newest = state.newest
  next.lag = state.lag
  next.clock = state.clock
  next.absentClock = state.absentClock
  for (const [index, source] of plan.sources.entries()) {
    const former = state.plan.sources.indexOf(source)
    if (next.heard !== null && former >= 0) next.heard[index] = state.heard?.[former] ?? state.newest
  }
  const frozen = { ...frozenOf(state) }
  if (Number.isFinite(state.newest)) for (const { rule } of changed) frozen[rule.id] = state.newest
  freeze(next, frozen)
  takeOver(next, changed)
  next.said = new Map(findings(next).map((found) => [found.id, found]))
  return next
}

function carryFold(from: Float64Array, former: Plan, to: Float64Array, plan: Plan, same: SameSights): void {
  for (let index = 0; index < same.signals.length; index++) to[index] = from[same.signals[index]!]!
  for (const [index, panes] of plan.panes.entries()) {
    const its = former.panes[same.windows[index]!]!
    for (let at = 0; at < panes.numbers; at++) to[panes.at + at] = from[its.at + at]!
  }
  for (const [index, rule] of plan.rules.entries()) {
    const its = former.rules[same.rules[index]!]
    if (its !== undefined) copyRule(from, its, to, rule)
  }
  for (const what of CARRIED) to[plan.cells.fold + what] = from[former.cells.fold + what]!
}

/** Of a fold as a whole; the rest follows. All rules are awake. */
const CARRIED = [FOLD.now, FOLD.lastTs, FOLD.time, FOLD.stale, FOLD.stirred] as const

function copyRule(from: Float64Array, its: JudgedRule, to: Float64Array, rule: JudgedRule): void {
  to[rule.phase] = Math.max(from[its.phase]!, PHASE.idle)
  to[rule.evidence] = from[its.evidence]!
  to[rule.due] = from[its.due]!
  for (let at = 0; at < CELLS_PER_RULE; at++) to[rule.cell + at] = from[its.cell + at]!
}

/** Without what is known of sources behind which there is another device now. */
function without(fold: FoldSnapshot, sources: readonly string[]): FoldSnapshot {
  const isKept = ([key]: readonly [string, unknown]) => !sources.some((role) => key.startsWith(`${role}/`))
  return {
    ...fold,
    signals: Object.fromEntries(Object.entries(fold.signals).filter(isKept)),
    panes: Object.fromEntries(Object.entries(fold.panes ?? {}).filter(isKept)),
  }
}

/** Every device of a kind is carried over at once: their rules are written out only for the first. */
const texts = new WeakMap<Rule, string>()

function textOf(rule: Rule): string {
  const known = texts.get(rule)
  if (known !== undefined) return known
  const text = JSON.stringify(rule)
  texts.set(rule, text)
  return text
}

function snapshotOfFold(state: DeviceState, cells: Float64Array): FoldSnapshot {
  const { plan, rings } = state
  const number = (what: number) => cells[plan.cells.fold + what]!
  return {
    signals: Object.fromEntries(plan.signals.map(({ key }, index) => [key, pack(cells[index]!)])),
    panes: Object.fromEntries(
      plan.windows.map(({ key, window }) => [key, windowNumbers(window, cells, rings).map(pack)]),
    ),
    rules: Object.fromEntries(plan.rules.map((rule) => [rule.rule.id, snapshotOfRule(cells, rule)])),
    now: pack(number(FOLD.now)),
    lastTs: pack(number(FOLD.lastTs)),
    time: pack(number(FOLD.time)),
    stale: number(FOLD.stale) === 1,
  }
}

function snapshotOfRule(cells: Float64Array, { phase, evidence, due, cell }: JudgedRule): Num[] {
  const ends = [cells[evidence]!, cells[due]!]
  if (cells[phase]! <= PHASE.idle) return ends.map(pack)
  const [since, ...rest] = cells.subarray(cell, cell + CELLS_PER_RULE)
  return [cells[phase]!, since!, ...ends, ...rest].map(pack)
}

function restoreRule(
  saved: readonly Num[],
  cells: Float64Array,
  { phase, evidence, due, cell }: JudgedRule,
): void {
  const numbers = saved.map(unpack)
  const isIdle = numbers.length === 2
  if (!isIdle && numbers.length !== 3 + CELLS_PER_RULE) return
  const [itsPhase, since, itsEvidence, itsDue, ...rest] = isIdle ? [PHASE.idle, 0, ...numbers] : numbers
  cells[phase] = itsPhase!
  cells[evidence] = itsEvidence!
  cells[due] = itsDue!
  cells.set([since!, ...rest], cell)
}

function restoreFold(snapshot: FoldSnapshot, state: DeviceState): void {
  const { base, plan } = state
  const fold = state.fold.of(state, base, [])
  for (const [index, { key }] of plan.signals.entries()) {
    const value = snapshot.signals[key]
    if (value !== undefined) base[index] = unpack(value)
  }
  for (const { key, window } of plan.windows) {
    const saved = snapshot.panes?.[key]
    if (saved !== undefined) restoreWindow(window, fold, saved.map(unpack))
  }
  for (const rule of plan.rules) {
    const saved = snapshot.rules[rule.rule.id]
    if (saved !== undefined) restoreRule(saved, base, rule)
  }
  const at = plan.cells.fold
  base[at + FOLD.now] = unpack(snapshot.now)
  base[at + FOLD.lastTs] = unpack(snapshot.lastTs)
  base[at + FOLD.time] = unpack(snapshot.time)
  base[at + FOLD.stale] = snapshot.stale ? 1 : 0
  hear(state)
  // Of factors that are known, for a rule that is the first to ask for their class.
  fold.rate()
  fold.findDue()
}

/** Rules that are the first to listen for silence: where nobody else is listened to, the newest reading is known. */
function hear({ base, plan }: DeviceState): void {
  const { columns, sources, cells } = plan
  const lastTs = base[cells.fold + FOLD.lastTs]!
  if (sources.length > 1 || !Number.isFinite(lastTs)) return
  for (const { heard } of columns) {
    if (heard >= 0 && Number.isNaN(base[heard]!)) base[heard] = lastTs
  }
}

function restoreTail({ columns, rows }: Snapshot, { plan, tail }: DeviceState): void {
  const source = [0, 1, ...plan.columns.map(({ key }) => columns.indexOf(key))].map((index, position) =>
    position < 2 || index < 0 ? index : index + 2,
  )
  const row = new Float64Array(source.length)
  // Every reading of the device's own was heard, also when nobody listened.
  const heard = plan.sources.length > 1 ? -1 : plan.columns.findIndex((column) => column.heard >= 0)
  for (let at = 0; at < rows.length; at += columns.length + 2) {
    for (const [position, index] of source.entries()) {
      row[position] = index < 0 ? NaN : unpack(rows[at + index]!)
    }
    if (heard >= 0) row[heard + 2] = 1
    tail.put(row)
  }
}

function packed(numbers: Float64Array, from: number, to: number): Num[] {
  const found: Num[] = []
  for (let at = from; at < to; at++) found.push(pack(numbers[at]!))
  return found
}

function pack(value: number): Num {
  if (Number.isFinite(value)) return value
  return Number.isNaN(value) ? null : value < 0 ? '-' : '+'
}

function unpack(value: Num): number {
  if (typeof value === 'number') return value
  return value === null ? NaN : value === '-' ? -Infinity : Infinity
}
