import {
  advance,
  DeviceState,
  findings,
  observe,
  refresh,
  runClocks,
  type Bounds,
  type Finding,
} from '../../rules/engine.ts'
import { planRules, type Plan } from '../../rules/plan.ts'
import { restore, snapshotOf, underNewRules } from '../../rules/snapshot.ts'
import type { Alarm, AlarmEnd } from '../model/alarm.ts'
import type { Delivery, Origin } from '../model/reading.ts'
import type { Rule } from '../model/rule.ts'
import { Schedule } from './schedule.ts'
import type { RulesInForce, SavedState } from './store.ts'
import { Watch } from './watch.ts'

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

/** All devices under watch, in memory, and what is to be said of them. Nothing here touches a disk or a clock. */
export class Docket {
  /** What the book does not have yet, in order; the judge takes it out once it is on disk. */
  changes: Change[] = []
  /** Devices whose saved state is to be deleted. */
  readonly ended = new Set<string>()
  /** Readings that came later than the bound. */
  late = 0
  /** Devices whose state has been carried over to other rules: to be saved together with those. */
  readonly carried = new Set<Watch>()
  readonly #bounds: Bounds
  readonly #isRegistered: (device: string) => boolean
  #rules: readonly Rule[] = []
  #plans: ReadonlyMap<string, Plan> = new Map()
  /** By kind: the first reading that its plan judges. */
  #since: ReadonlyMap<string, number> = new Map()
  readonly #watches = new Map<string, Watch>()
  readonly #schedule = new Schedule<Watch>()
  /** In order of `unsavedFrom`. */
  readonly #unsaved = new Set<Watch>()
  /** With values that the book does not have. */
  readonly #moved = new Set<Watch>()
  /** Silence does not count before it, gateway's clock. */
  readonly #absentFrom: number

  constructor(bounds: Bounds, absentFrom: number, isRegistered: (device: string) => boolean) {
    this.#bounds = bounds
    this.#isRegistered = isRegistered
    this.#absentFrom = absentFrom
  }

  /** States of the last run, under the rules of the last run. */
  load({ rules, since }: RulesInForce, states: Iterable<SavedState>): void {
    this.#rules = rules
    this.#plans = planRules(rules)
    this.#since = since
    for (const { device, seq, origin, snapshot } of states) {
      const plan = this.#plans.get(origin.kind)
      if (plan === undefined || !this.#isRegistered(device)) this.ended.add(device)
      else this.#watches.set(device, new Watch(origin, restore(snapshot, device, plan, this.#bounds), seq))
    }
  }

  /** Judges the delivery's readings from number `from` on. In silence when the book has heard of them. */
  judge({ seq, origin, receivedAt, readings }: Delivery, from: number, inSilence: boolean): void {
    const plan = this.#plans.get(origin.kind)
    if (plan === undefined || !this.#isRegistered(origin.device)) return
    // What the device was since is further on than this.
    if (inSilence && seq + readings.length <= (this.#watches.get(origin.device)?.covered ?? 0)) return
    const watch = this.#watchOf(origin, plan)
    const known = Math.max(0, from - seq, watch.covered - seq)
    if (known >= readings.length) return
    const lateBefore = watch.state.late
    const changes = observe(watch.state, known > 0 ? readings.slice(known) : readings, receivedAt)
    if (!inSilence) {
      this.late += watch.state.late - lateBefore
      this.#note(watch, changes)
      if (watch.state.head.moved) this.#moved.add(watch)
    }
    if (watch.unsavedFrom === null) {
      watch.unsavedFrom = seq + known
      this.#unsaved.add(watch)
    }
    watch.await(this.#schedule, this.#absentFrom)
  }

  /** Runs what is due; false when `isTimeUp` said so before all was done. */
  runTimers(now: number, isTimeUp: () => boolean): boolean {
    const absentNow = now < this.#absentFrom ? -Infinity : now
    for (let entry = this.#schedule.take(now); entry !== undefined; entry = this.#schedule.take(now)) {
      const watch = entry.what
      if (!watch.answers(entry.time) || this.#watches.get(watch.origin.device) !== watch) continue
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
      const { origin, state } = watch
      yield { device: origin.device, seq: next, origin, snapshot: snapshotOf(state), watch }
    }
  }

  /** The state of the watch is on disk as it is now. */
  saved(watch: Watch): void {
    watch.unsavedFrom = null
    this.#unsaved.delete(watch)
  }

  /** Clears the alarms of a device and forgets its state. */
  end(device: string, reason: AlarmEnd): void {
    const watch = this.#watches.get(device)
    if (watch === undefined) return
    this.#clear(watch, findings(watch.state), reason)
    this.#drop(watch)
  }

  /** What the rules in force are, to be saved with what is {@link carried}. */
  inForce(): RulesInForce {
    return { rules: this.#rules, since: this.#since }
  }

  /**
   * Other rules from reading `next` on. Devices that they are about are carried over: a rule that was edited goes on
   * from where it stood, the alarms of one that is gone clear.
   */
  goBy(rules: readonly Rule[], next: number): void {
    const plans = new Map<string, Plan>()
    const since = new Map<string, number>()
    for (const [kind, plan] of planRules(rules)) {
      const before = this.#plans.get(kind)
      const isKept = before !== undefined && isSame(before, plan)
      plans.set(kind, isKept ? before : plan)
      since.set(kind, isKept ? this.#since.get(kind)! : next)
    }
    this.#rules = rules
    this.#plans = plans
    this.#since = since
    for (const watch of this.#watches.values()) {
      const plan = plans.get(watch.origin.kind)
      if (plan === undefined) this.end(watch.origin.device, 'rule_removed')
      else if (plan !== watch.state.plan) this.#carryOver(watch, plan)
    }
  }

  #carryOver(watch: Watch, plan: Plan): void {
    const ids = new Set(plan.rules.map(({ rule }) => rule.id))
    const removed = findings(watch.state).filter(({ rule }) => !ids.has(rule.id))
    this.#clear(watch, removed, 'rule_removed')
    watch.state = underNewRules(watch.state, plan)
    // The book learns by which version they are judged now, and whether that one wants a crew.
    this.#note(watch, findings(watch.state))
    watch.unsavedFrom = null
    this.#unsaved.delete(watch)
    this.carried.add(watch)
    watch.await(this.#schedule, this.#absentFrom)
  }

  /**
   * From the rules of the last run, under which all that the book has heard of has been judged again, to the
   * present ones. Notes whatever is known now, for between its last commit and its end the last run may have
   * known less; and clears what the book holds for firing and nobody knows of. Answers those, with the reason.
   */
  resume(rules: readonly Rule[], firing: readonly Alarm[], next: number, now: number): Orphan[] {
    const former = this.#rules
    const ofDevice = Map.groupBy(firing, (alarm) => alarm.device)
    for (const [device, watch] of this.#watches) {
      // That an alarm is in the book proves that its device's clocks had run so far.
      const proven = Math.max(...(ofDevice.get(device) ?? []).map(({ startedAt }) => startedAt))
      runClocks(watch.state, proven, proven)
    }
    this.goBy(rules, next)
    for (const watch of this.#watches.values()) {
      advance(watch.state, now, -Infinity)
      this.#note(watch, findings(watch.state))
      watch.await(this.#schedule, this.#absentFrom)
    }
    const known = new Set(this.changes.map(({ alarm }) => alarm.id))
    const orphans: Orphan[] = []
    for (const { case: _, ...alarm } of firing) {
      if (known.has(alarm.id)) continue
      const present = rules.find(({ id }) => id === alarm.rule)
      const rule = present ?? former.find(({ id }) => id === alarm.rule)
      if (rule === undefined) continue
      const newest = this.#watches.get(alarm.device)?.state.newest ?? now
      const clearedAt = Math.max(alarm.startedAt, newest)
      const reason = this.#reasonFor(alarm, present)
      this.changes.push({ alarm: { ...alarm, state: 'cleared', clearedAt, reason }, rule })
      orphans.push({ id: alarm.id, reason })
    }
    return orphans
  }

  #reasonFor(alarm: Change['alarm'], rule: Rule | undefined): AlarmEnd {
    if (!this.#isRegistered(alarm.device)) return 'device_removed'
    return rule?.kind === alarm.kind ? 'state_lost' : 'rule_removed'
  }

  #watchOf(origin: Origin, plan: Plan): Watch {
    const known = this.#watches.get(origin.device)
    if (known?.state.plan === plan) {
      known.origin = origin
      return known
    }
    // The device has become one of another kind.
    this.end(origin.device, 'device_changed')
    const since = this.#since.get(origin.kind)!
    const watch = new Watch(origin, new DeviceState(origin.device, plan, this.#bounds), since)
    this.#watches.set(origin.device, watch)
    this.ended.delete(origin.device)
    return watch
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
    const { device } = watch.origin
    this.carried.delete(watch)
    this.#watches.delete(device)
    this.#unsaved.delete(watch)
    this.#moved.delete(watch)
    this.ended.add(device)
  }

  #note(watch: Watch, found: readonly Finding[]): void {
    for (const finding of found) this.changes.push({ alarm: watch.alarmOf(finding), rule: finding.rule })
  }
}

function isSame(a: Plan, b: Plan): boolean {
  return JSON.stringify(a.rules.map(({ rule }) => rule)) === JSON.stringify(b.rules.map(({ rule }) => rule))
}
