import { DeviceState, type Bounds, type Finding } from '../../rules/device-state.ts'
import { advance, findings, isEnding, observe, refresh, runClocks } from '../../rules/engine.ts'
import { attributesThatCount, devicesBehind, Links } from '../../rules/links.ts'
import { unreadable, type Attributes } from '../../rules/local.ts'
import { planLinkedRules, planRules, type Plan, type World } from '../../rules/plan.ts'
import { MANY_DEVICES, prefetch } from '../../rules/prefetch.ts'
import { restore, snapshotOf, underNewRules } from '../../rules/snapshot.ts'
import type { Alarm, AlarmEnd } from '../model/alarm.ts'
import type { DeviceDirectory } from '../model/device.ts'
import type { Delivery, Origin } from '../model/reading.ts'
import { ANY_KIND, type Rule } from '../model/rule.ts'
import { Schedule } from './schedule.ts'
import type { RulesInForce, SavedState } from './store.ts'
import { nameOf, Watch, type Part } from './watch.ts'

/** An alarm as it now is, on its way into the book. */
export interface Change {
  readonly alarm: Omit<Alarm, 'case'>
  readonly rule: Rule
}

/** An alarm that the book held for firing and nobody knew of. */
export interface Orphan {
  readonly id: string
  readonly reason: AlarmEnd
}

const PARTS = ['own', 'linked'] as const
/** By kind. */
type Plans = Readonly<Record<Part, Map<string, Plan>>>

/** All devices under watch, in memory, and what is to be said of them. Nothing here touches a disk or a clock. */
export class Docket {
  /** What the book does not have yet, in order; the judge takes it out once it is on disk. */
  changes: Change[] = []
  /** Watches whose saved state is to be deleted, by name. */
  readonly ended = new Set<string>()
  /** Readings that came later than the bound. */
  late = 0
  /** Devices whose state has been carried over to other rules: to be saved together with those. */
  readonly carried = new Set<Watch>()
  readonly #bounds: Bounds
  readonly #devices: DeviceDirectory
  readonly #world: World
  #rules: readonly Rule[] = []
  #plans: Plans = { own: new Map(), linked: new Map() }
  /** By kind and part: the first reading that its plan judges. */
  #since: ReadonlyMap<string, number> = new Map()
  /** By name. */
  readonly #watches = new Map<string, Watch>()
  readonly #links = new Links()
  readonly #schedule = new Schedule<Watch>()
  /** In order of `unsavedFrom`. */
  readonly #unsaved = new Set<Watch>()
  /** With values that the book does not have. */
  readonly #moved = new Set<Watch>()
  /** Silence does not count before it, gateway's clock. */
  readonly #absentFrom: number

  constructor(bounds: Bounds, absentFrom: number, devices: DeviceDirectory, world: World) {
    this.#bounds = bounds
    this.#devices = devices
    this.#world = world
    this.#absentFrom = absentFrom
  }

  /** States of the last run, under the rules of the last run. */
  load({ rules, since }: RulesInForce, states: Iterable<SavedState>): void {
    this.#rules = rules
    this.#plans = this.#planned(rules)
    this.#since = since
    for (const { name, seq, origin, snapshot } of states) {
      const part: Part = name === origin.device ? 'own' : 'linked'
      const plan = this.#plans[part].get(origin.kind)
      if (plan === undefined || !this.#isRegistered(origin.device)) this.ended.add(name)
      else {
        const state = restore(snapshot, origin.device, plan, this.#bounds)
        this.#watches.set(name, new Watch(part, origin, state, seq))
      }
    }
    for (const { id } of this.#devices.all()) this.#link(id)
  }

  /** Attributes of the device that the rules in force name and cannot read, a line each. */
  unreadable(device: string): readonly string[] {
    const { kind, attributes = {} } = this.#devices.get(device) ?? {}
    const plans = PARTS.flatMap((part) => this.#plans[part].get(kind ?? '') ?? [])
    return [...new Set(plans.flatMap((plan) => unreadable(plan, attributes)))]
  }

  /** How many rules look at a reading of this device, its own and those of devices that look at it. */
  weight({ device, kind }: Origin): number {
    const own =
      (this.#plans.own.get(kind)?.rules.length ?? 0) + (this.#plans.linked.get(kind)?.rules.length ?? 0)
    return this.#links.at(device).reduce((sum, looker) => {
      const its = this.#devices.get(looker.device)?.kind
      return sum + (its === undefined ? 0 : (this.#plans.linked.get(its)?.rules.length ?? 0))
    }, own)
  }

  /** These deliveries come next: what they will touch is fetched together. */
  foresee(deliveries: readonly Delivery[]): void {
    if (this.#watches.size < MANY_DEVICES) return
    const states: DeviceState[] = []
    for (const { origin } of deliveries) {
      const watch = this.#watches.get(nameOf('own', origin.device))
      if (watch !== undefined) states.push(watch.state)
    }
    prefetch(states)
  }

  /**
   * Judges the delivery's readings from number `from` on, which are in order of their time. In silence when the book
   * has heard of them.
   */
  judge(delivery: Delivery, from: number, inSilence: boolean): void {
    const { origin } = delivery
    if (!this.#isRegistered(origin.device)) return
    this.#observe(delivery, from, inSilence, 'own', origin, 0)
    this.#observe(delivery, from, inSilence, 'linked', origin, 0)
    for (const { device, source } of this.#links.at(origin.device)) {
      const looker = this.#devices.origin(device)
      if (looker !== undefined) this.#observe(delivery, from, inSilence, 'linked', looker, source)
    }
  }

  /** The readings as a part of the device that `origin` names sees them. */
  #observe(
    { seq, receivedAt, readings }: Delivery,
    from: number,
    inSilence: boolean,
    part: Part,
    origin: Origin,
    source: number,
  ): void {
    const plan = this.#plans[part].get(origin.kind)
    if (plan === undefined) return
    // What the device was since is further on than this.
    if (inSilence && seq + readings.length <= (this.#watches.get(nameOf(part, origin.device))?.covered ?? 0))
      return
    const watch = this.#watchOf(part, origin, plan)
    const known = Math.max(0, from - seq, watch.covered - seq)
    if (known >= readings.length) return
    const lateBefore = watch.state.late
    const unknown = known > 0 ? readings.slice(known) : readings
    const changes = observe(watch.state, unknown, receivedAt, source)
    if (!inSilence) {
      if (part === 'own') this.late += watch.state.late - lateBefore
      this.#note(watch, changes)
      if (watch.state.hasMoved) this.#moved.add(watch)
    }
    if (watch.unsavedFrom === null) {
      watch.unsavedFrom = seq + known
      this.#unsaved.add(watch)
    }
    watch.await(this.#schedule, this.#absentFrom)
  }

  /** Whether a firing alarm is on its way to clear: its condition is over, and has to stay so for a while. */
  isEnding({ device, rule }: Pick<Alarm, 'device' | 'rule'>): boolean {
    return PARTS.some((part) => {
      const watch = this.#watches.get(nameOf(part, device))
      return watch !== undefined && isEnding(watch.state, rule)
    })
  }

  /** Runs what is due; false when `isTimeUp` said so before all was done. */
  runTimers(now: number, isTimeUp: () => boolean): boolean {
    const absentNow = now < this.#absentFrom ? -Infinity : now
    for (let entry = this.#schedule.take(now); entry !== undefined; entry = this.#schedule.take(now)) {
      const watch = entry.what
      if (!watch.answers(entry.time) || this.#watches.get(watch.name) !== watch) continue
      this.#note(watch, advance(watch.state, now, absentNow))
      watch.await(this.#schedule, this.#absentFrom)
      if (isTimeUp()) return false
    }
    return true
  }

  /** Notes values and peaks that have moved since they were last said. */
  noteValues(isTimeUp: () => boolean): void {
    for (const watch of this.#moved) {
      this.#moved.delete(watch)
      this.#note(watch, refresh(watch.state))
      if (isTimeUp()) return
    }
  }

  /** First reading that some saved state does not hold, once the first `saved` of them are saved too. */
  needed(next: number, saved: number): number {
    for (const watch of this.#unsaved.values().drop(saved)) return watch.unsavedFrom!
    return next
  }

  /** States to save, those first that were saved longest ago. They hold every reading below `next`. */
  unsaved(next: number): Iterable<SavedState & { readonly watch: Watch }> {
    return this.states(this.#unsaved, next)
  }

  *states(watches: Iterable<Watch>, next: number): Iterable<SavedState & { readonly watch: Watch }> {
    for (const watch of watches) {
      const { name, origin, state } = watch
      yield { name, seq: next, origin, snapshot: snapshotOf(state), watch }
    }
  }

  /** The state of the watch is on disk as it is now. */
  saved(watch: Watch): void {
    watch.unsavedFrom = null
    this.#unsaved.delete(watch)
  }

  /** Clears the alarms of a device that is no more, and forgets its state. */
  end(device: string, reason: AlarmEnd): void {
    this.#links.delete(device)
    for (const part of PARTS) this.#end(this.#watches.get(nameOf(part, device)), reason)
  }

  #end(watch: Watch | undefined, reason: AlarmEnd): void {
    if (watch === undefined) return
    this.#clear(watch, findings(watch.state), reason)
    this.#drop(watch)
  }

  /**
   * A device that is new, or was changed: from the next reading on its attributes count as they are now. What
   * becomes of its states is {@link carried}.
   */
  heed(device: string): void {
    for (const part of PARTS) {
      const watch = this.#watches.get(nameOf(part, device))
      if (watch !== undefined && !this.#hasItsAttributes(watch)) this.#carryOver(watch, watch.state.plan)
    }
    this.#link(device)
  }

  /** What the rules in force are, to be saved with what is {@link carried}. */
  inForce(): RulesInForce {
    return { rules: this.#rules, since: this.#since }
  }

  /**
   * Other rules from reading `next` on, device by device: until it is done nothing else may be asked of the docket.
   * Devices that they are about are carried over: a rule that was edited goes on from where it stood, the alarms of
   * one that is gone clear.
   */
  *goBy(rules: readonly Rule[], next: number): Generator<void, void> {
    const plans = this.#planned(rules)
    const since = new Map<string, number>()
    for (const part of PARTS) {
      for (const [kind, plan] of plans[part]) {
        const before = this.#plans[part].get(kind)
        const isKept = before !== undefined && isSame(before, plan)
        if (isKept) plans[part].set(kind, before)
        since.set(nameOf(part, kind), isKept ? this.#sinceOf(part, kind) : next)
      }
    }
    this.#rules = rules
    this.#plans = plans
    this.#since = since
    for (const watch of this.#watches.values()) {
      const plan = plans[watch.part].get(watch.origin.kind)
      if (plan === undefined) this.#end(watch, 'rule_removed')
      else if (plan !== watch.state.plan || !this.#hasItsAttributes(watch)) this.#carryOver(watch, plan)
      yield
    }
    for (const { id } of this.#devices.all()) {
      this.#link(id)
      yield
    }
  }

  #planned(rules: readonly Rule[]): Plans {
    const plans = { own: planRules(rules, this.#world), linked: planLinkedRules(rules, this.#world) }
    return { own: new Map(plans.own), linked: new Map(plans.linked) }
  }

  #carryOver(watch: Watch, plan: Plan): void {
    const ids = new Set(plan.rules.map(({ rule }) => rule.id))
    const removed = findings(watch.state).filter(({ rule }) => !ids.has(rule.id))
    this.#clear(watch, removed, 'rule_removed')
    watch.state = underNewRules(watch.state, plan, this.#attributesOf(watch.origin.device))
    // The book learns by which version they are judged now, and whether that one wants a crew.
    this.#note(watch, findings(watch.state))
    watch.unsavedFrom = null
    this.#unsaved.delete(watch)
    this.carried.add(watch)
    watch.await(this.#schedule, this.#absentFrom)
  }

  /**
   * From the rules of the last run, under which all that the book has heard of has been judged again, to the
   * present ones, as {@link goBy}. Notes whatever is known now, for between its last commit and its end the last run may have
   * known less; and clears what the book holds for firing and nobody knows of. Answers those, with the reason.
   */
  *resume(
    rules: readonly Rule[],
    firing: readonly Alarm[],
    next: number,
    now: number,
  ): Generator<void, readonly Orphan[]> {
    const former = this.#rules
    const ofDevice = Map.groupBy(firing, (alarm) => alarm.device)
    for (const { origin, state } of this.#watches.values()) {
      const judges = new Set(state.plan.rules.map(({ rule }) => rule.id))
      const its = (ofDevice.get(origin.device) ?? []).filter(({ rule }) => judges.has(rule))
      // That an alarm is in the book proves that its device's clocks had run so far.
      const proven = Math.max(...its.map(({ startedAt }) => startedAt))
      runClocks(state, proven, proven)
      yield
    }
    yield* this.goBy(rules, next)
    for (const watch of this.#watches.values()) {
      advance(watch.state, now, -Infinity)
      this.#note(watch, findings(watch.state))
      watch.await(this.#schedule, this.#absentFrom)
      yield
    }
    const known = new Set(this.changes.map(({ alarm }) => alarm.id))
    const orphans: Orphan[] = []
    for (const { case: _, ...alarm } of firing) {
      if (known.has(alarm.id)) continue
      const present = rules.find(({ id }) => id === alarm.rule)
      const rule = present ?? former.find(({ id }) => id === alarm.rule)
      if (rule === undefined) continue
      const watches = PARTS.flatMap((part) => this.#watches.get(nameOf(part, alarm.device)) ?? [])
      const newest = watches.length === 0 ? now : Math.max(...watches.map(({ state }) => state.newest))
      const clearedAt = Math.max(alarm.startedAt, newest)
      const reason = this.#reasonFor(alarm, present)
      this.changes.push({ alarm: { ...alarm, state: 'cleared', clearedAt, reason }, rule })
      orphans.push({ id: alarm.id, reason })
    }
    return orphans
  }

  #reasonFor(alarm: Change['alarm'], rule: Rule | undefined): AlarmEnd {
    if (!this.#isRegistered(alarm.device)) return 'device_removed'
    return rule?.kind === alarm.kind || rule?.kind === ANY_KIND ? 'state_lost' : 'rule_removed'
  }

  #watchOf(part: Part, origin: Origin, plan: Plan): Watch {
    const { device } = origin
    const known = this.#watches.get(nameOf(part, device))
    if (known?.state.plan === plan) {
      known.origin = origin
      return known
    }
    // The device has become one of another kind.
    if (known !== undefined) this.#end(known, 'device_changed')
    const state = new DeviceState(device, plan, this.#bounds, this.#attributesOf(device))
    const watch = new Watch(part, origin, state, this.#sinceOf(part, origin.kind))
    this.#watches.set(watch.name, watch)
    this.ended.delete(watch.name)
    return watch
  }

  /** Finds out anew at whom the device looks: with the attributes that are in force in its state, if it has one. */
  #link(device: string): void {
    const kind = this.#devices.get(device)?.kind
    const plan = kind === undefined ? undefined : this.#plans.linked.get(kind)
    if (plan === undefined) return this.#links.delete(device)
    const state = this.#watches.get(nameOf('linked', device))?.state
    this.#links.set(device, devicesBehind(plan, device, state?.attributes ?? this.#attributesOf(device)))
  }

  #isRegistered(device: string): boolean {
    return this.#devices.get(device) !== undefined
  }

  #attributesOf(device: string): Attributes {
    return this.#devices.get(device)?.attributes ?? {}
  }

  /** Whether what is in force in its state is what the device has now, as far as its rules care. */
  #hasItsAttributes({ origin, state }: Watch): boolean {
    const present = this.#attributesOf(origin.device)
    for (const name of attributesThatCount(state.plan)) {
      if (present[name] !== state.attributes[name]) return false
    }
    return true
  }

  #sinceOf(part: Part, kind: string): number {
    return this.#since.get(nameOf(part, kind)) ?? 0
  }

  #clear(watch: Watch, found: readonly Finding[], reason: AlarmEnd): void {
    for (const finding of found) {
      if (finding.state !== 'firing') continue
      const clearedAt = Math.max(finding.startedAt, watch.state.newest)
      const alarm = watch.alarmOf({ ...finding, state: 'cleared', clearedAt }, reason)
      this.changes.push({ alarm, rule: finding.rule })
    }
  }

  #drop(watch: Watch): void {
    this.carried.delete(watch)
    this.#watches.delete(watch.name)
    this.#unsaved.delete(watch)
    this.#moved.delete(watch)
    this.ended.add(watch.name)
  }

  #note(watch: Watch, found: readonly Finding[]): void {
    for (const finding of found) this.changes.push({ alarm: watch.alarmOf(finding), rule: finding.rule })
  }
}

function isSame(a: Plan, b: Plan): boolean {
  return JSON.stringify(a.rules.map(({ rule }) => rule)) === JSON.stringify(b.rules.map(({ rule }) => rule))
}
