import { setImmediate as nextTurn } from 'node:timers/promises'
import type { Bounds } from '../../rules/device-state.ts'
import { inOrder } from '../../rules/engine.ts'
import type { World } from '../../rules/plan.ts'
import type { Log } from '../log.ts'
import type { Alarm } from '../model/alarm.ts'
import type { DeviceDirectory } from '../model/device.ts'
import type { Health, Journal, Part } from '../model/pipeline.ts'
import type { Delivery } from '../model/reading.ts'
import type { Rule } from '../model/rule.ts'
import type { Along } from '../registry/database.ts'
import { Docket } from './docket.ts'
import { JudgeRecord, type RecordParts } from './record.ts'

/**
 * Runs the rules over the journal behind the cursor `rules`.
 *
 * Order of operations, so that kill -9 anywhere neither loses nor doubles an alarm:
 *   1. readings change states in memory; what the rules say of it is kept aside
 *   2. one transaction in `registry.db`: {those alarms in the book, `cursor`, `needed`, `late`, some states}
 *   3. only then `journal.advance('rules', needed)`
 * `cursor`: every reading below has been judged and what it says is in the book. `needed`: every reading below
 * is in the saved state of its device. States are saved a few at a time, so that no slice is long.
 *
 * Rules may be changed while it runs ({@link Judge.adopt}). They take force at `cursor`, wherever that is: every
 * reading below has been judged by the former ones, and while they change nothing is judged; the journal holds what
 * comes in meanwhile. In slices, first the memory goes over device by device, then the states of all devices that the
 * rules are about are written under the next batch, which does not count yet. One transaction makes it count: it holds
 * the number of the batch, the change, the alarms that it clears, and the rules and since when they are in force. So
 * nothing before the change is ever judged by what came after it, and a kill leaves all of the former or all of the
 * new. When anything fails, memory is begun anew from the disk. What the former batch held is swept away afterwards.
 *
 * After a start saved states are loaded; readings from `needed` to `cursor` are judged again in silence, by the
 * rules of the last run, for the book has heard of them; then {@link Docket.resume} settles what the last run
 * may have left open and goes over to the present rules, as after a change, and the journal is followed from `cursor`.
 *
 * Work is done in slices, so that intake never waits for more than one of them. A message that is long, or that many
 * rules look at, is judged in portions: its readings count in order of their time, so `cursor` may be in its midst. A commit's readings come from
 * memory while the judge is in step, else from the journal.
 */
const SLICE_MS = 2
/** Deliveries whose devices' states are fetched from memory together. */
const FORESEEN = 32
/** Of going over to other rules: long enough that 20,000 devices are not long in coming. */
const CHANGE_SLICE_MS = 5
/** Rules times readings that are judged before anybody looks at the time: some 2 ms. */
const PORTION = 3000
/** Of the time since the last slice, when that was long: a busy intake must not leave the judge behind. */
const SLICE_SHARE = 0.1
const TICK_MS = 250
/** Values and peaks are written at every so many ticks, states at each: what is not saved is judged again after a kill. */
const TICKS_PER_VALUES = 4
/** Readings taken from the journal at once when catching up. */
const READ_LIMIT = 500
/** Readings kept in memory at most; beyond that the judge falls back to the journal. */
const QUEUE_LIMIT = 50_000
/** Devices have this long to reconnect after a start before silence counts, ms. */
const RECONNECT_MS = 2 * 60_000

export interface JudgeParts extends RecordParts {
  readonly journal: Journal
  /** They have passed `checkRules`. */
  readonly rules: readonly Rule[]
  readonly config: Bounds
  /** Of a device that is no more nothing is judged: nobody could clear its alarms, or hear from it again. */
  readonly devices: DeviceDirectory
  readonly world: World
  readonly log: Log
  readonly reconnectMs?: number
}

/** The judge does not know yet where the last run stood, or is going over to other rules: they can change in a moment. */
export class JudgeBusy extends Error {
  override readonly name = 'JudgeBusy'
}

/** Judging again what the book has heard of, going over to other rules, catching up with the journal, or in step with it. */
type Mode = 'stopped' | 'replaying' | 'changing' | 'catching up' | 'in step'

export class Judge implements Part {
  readonly #parts: JudgeParts
  readonly #record: JudgeRecord
  #docket: Docket
  #rules: readonly Rule[]
  /** Memory is ahead of the disk and has to be loaded again before anything else. */
  #isAdrift = false
  /** Silence does not count before it, gateway's clock. */
  #absentFrom = Infinity
  #mode: Mode = 'stopped'
  #queue: Delivery[] = []
  #queued = 0
  /** What was read from the journal and is not all judged yet. */
  #unread: ReturnType<Journal['read']> | null = null
  /** Next reading to judge. */
  #next = 0
  /** The book has heard of the readings below it. */
  #heard = 0
  /** Ends with the change of rules that is under way. */
  #changing: Promise<void> = Promise.resolve()
  /** Devices that were changed or removed while the rules did. */
  #waiting: (() => void)[] = []
  #failure: string | null = null
  /** When the last slice ended. */
  #rested = 0
  #ticks = 0
  #isTickDue = false
  #ticker: NodeJS.Timeout | undefined
  #wake: NodeJS.Immediate | undefined
  #isListening = false

  constructor(parts: JudgeParts) {
    this.#parts = parts
    this.#docket = new Docket(parts.config, Infinity, parts.devices, parts.world)
    this.#record = new JudgeRecord(parts, this.#docket, (work) => this.#inSlices(work))
    this.#rules = parts.rules
  }

  /** Resolves once the states are loaded; the readings since then are judged in the background. */
  async start(): Promise<void> {
    const { journal, clock } = this.#parts
    this.#absentFrom = clock.now() + (this.#parts.reconnectMs ?? RECONNECT_MS)
    this.#load()
    if (!this.#isListening) journal.onCommit((deliveries) => this.#hear(deliveries))
    this.#isListening = true
    this.#ticker = setInterval(() => {
      this.#isTickDue = true
      this.#soon()
    }, TICK_MS)
    this.#soon()
    await Promise.resolve()
  }

  #load(): void {
    const { journal, config, devices, world } = this.#parts
    this.#docket = new Docket(config, this.#absentFrom, devices, world)
    this.#record.load(this.#docket, journal.cursor('rules'))
    const { cursor, needed } = this.#record.progress
    // A journal that was replaced, or that has dropped what was needed, is followed as far as it goes.
    const held = (seq: number) => Math.min(Math.max(seq, journal.tail()), journal.head())
    this.#heard = held(cursor)
    this.#next = held(needed)
    this.#isAdrift = false
    this.#mode = 'replaying'
    this.#queue = []
    this.#queued = 0
    this.#unread = null
  }

  async stop(): Promise<void> {
    if (this.#mode === 'stopped') return
    clearInterval(this.#ticker)
    clearImmediate(this.#wake)
    this.#wake = undefined
    if (this.#mode === 'changing') {
      // The disk holds the former rules still, and all that they know.
      this.#mode = 'stopped'
      await this.#changing
      return
    }
    try {
      if (this.#mode === 'in step') this.#judgeQueue(() => false)
      if (this.#mode !== 'replaying') {
        this.#docket.noteValues(() => false)
        this.#record.save(this.#next, () => false)
        await this.#parts.journal.advance('rules', this.#record.progress.needed)
      }
    } catch (error) {
      // Nothing is lost: the next start judges again what could not be written.
      this.#fail(error)
    }
    this.#mode = 'stopped'
    this.#queue = []
    this.#queued = 0
  }

  /** A device that is no more: its alarms clear, and its silence is none. */
  forget(device: string): void {
    if (this.#mode === 'changing') {
      this.#waiting.push(() => this.forget(device))
      return
    }
    this.#docket.end(device, 'device_removed')
    this.#soon()
  }

  /** A device that is new, or was changed: its attributes count as they are from the next reading on. */
  heed(device: string): void {
    if (this.#mode === 'changing') {
      this.#waiting.push(() => this.heed(device))
      return
    }
    // Until the judge knows where the last run stood nothing is in force; then all devices are heeded.
    if (this.#mode === 'stopped' || this.#mode === 'replaying') return
    try {
      this.#note()
      this.#docket.heed(device)
      // At once: what is judged again after a crash must be judged by what was in force.
      if (this.#docket.carried.size > 0) this.#record.saveCarried(this.#next)
    } catch (error) {
      this.#drift()
      this.#fail(error)
    }
  }

  /** Attributes of the device that the rules in force name and cannot read, a line each. */
  unreadable(device: string): readonly string[] {
    return this.#docket.unreadable(device)
  }

  /**
   * Goes by these rules from the next reading on; they have passed `checkRules`. `along` is written in the same
   * transaction, which is on disk when this resolves. Rejects with {@link JudgeBusy}, or with what the database throws:
   * then nothing has changed.
   */
  async adopt(rules: readonly Rule[], along: Along): Promise<void> {
    if (this.#mode !== 'in step' && this.#mode !== 'catching up')
      throw new JudgeBusy(
        this.#mode === 'changing'
          ? 'the rules are being changed'
          : 'the rules are still judging again what they knew before the last stop',
      )
    const isInStep = this.#mode === 'in step'
    if (isInStep) this.#fallBack()
    await this.#change(async () => {
      // What is due by now is for the former rules to say.
      const now = this.#parts.clock.now()
      if (isInStep) await this.#inSlices((isTimeUp) => this.#docket.runTimers(now, isTimeUp))
      this.#note()
      await this.#goOver(this.#docket.goBy(rules, this.#next), along)
    })
    this.#rules = rules
  }

  /**
   * Resolves when every reading in the journal is judged and every timer due by now has run: for a clock that is moved
   * by hand, which must not be moved on before. Rejects when the judge is stuck or stopped.
   */
  async settle(): Promise<void> {
    while (this.#mode !== 'in step' || this.#queue.length > 0) {
      if (this.#mode === 'stopped' || this.#failure !== null) throw new JudgeBusy(this.#failure ?? 'stopped')
      this.#soon()
      await nextTurn()
    }
    this.#docket.runTimers(this.#parts.clock.now(), () => false)
    this.#note()
  }

  #drift(): void {
    this.#isAdrift = true
    this.#mode = 'replaying'
    this.#waiting = []
    this.#soon()
  }

  /** Being behind is no reason to turn devices away: the journal holds what they send. */
  health(): Health {
    if (this.#failure !== null) return { ready: false, detail: this.#failure }
    const isReady = this.#mode !== 'stopped' && this.#mode !== 'replaying'
    const detail = this.#mode === 'in step' ? this.#mode : `${this.#mode}, ${this.lag()} readings behind`
    return { ready: isReady, detail }
  }

  /** Readings in the journal that are not judged yet. */
  lag(): number {
    return this.#parts.journal.head() - this.#next
  }

  /** Readings that came later than the bound and judged nothing. */
  late(): number {
    return this.#docket.late
  }

  #hear(deliveries: readonly Delivery[]): void {
    if (this.#mode === 'in step') {
      for (const delivery of deliveries) {
        this.#queue.push(delivery)
        this.#queued += delivery.readings.length
      }
      if (this.#queued > QUEUE_LIMIT) this.#fallBack()
    }
    this.#soon()
  }

  /** Leaves it to the journal to hold what is to be judged. */
  #fallBack(): void {
    this.#mode = 'catching up'
    this.#unread = null
    this.#queue = []
    this.#queued = 0
  }

  #soon(): void {
    if (this.#mode === 'stopped') return
    this.#wake ??= setImmediate(() => {
      this.#wake = undefined
      this.#work()
    })
  }

  /** One slice. When it fails the next tick tries again; meanwhile the journal holds what comes in. */
  #work(): void {
    if (this.#mode === 'changing') return
    const began = performance.now()
    const end = began + Math.max(SLICE_MS, (began - this.#rested) * SLICE_SHARE)
    const isTimeUp = (): boolean => performance.now() >= end
    try {
      if (this.#isAdrift) this.#load()
      this.#note()
      const isMore = this.#mode === 'in step' ? this.#judgeQueue(isTimeUp) : this.#catchUp(isTimeUp)
      // At once: an order does not wait for what the tick has to write.
      this.#note()
      const isBehind = this.#isTickDue && !this.#tick(isTimeUp)
      this.#note()
      if (isMore || isBehind) this.#soon()
    } catch (error) {
      this.#fail(error)
    }
    this.#rested = performance.now()
  }

  /** Whether there is more to judge. */
  #judgeQueue(isTimeUp: () => boolean): boolean {
    let taken = 0
    try {
      for (const delivery of this.#queue) {
        if (taken % FORESEEN === 0) this.#docket.foresee(this.#queue.slice(taken, taken + FORESEEN))
        if (delivery.seq > this.#next) {
          this.#fallBack()
          return true
        }
        if (!this.#judge(delivery, isTimeUp)) break
        this.#queued -= delivery.readings.length
        taken++
        if (isTimeUp()) break
      }
    } finally {
      // Also when one of them fails: those before it are judged and counted, and must not be again.
      this.#queue.splice(0, taken)
    }
    return this.#queue.length > 0
  }

  /** Whether there is more to read. */
  #catchUp(isTimeUp: () => boolean): boolean {
    const { journal } = this.#parts
    if (this.#mode === 'replaying' && this.#next >= this.#heard) {
      this.#resume()
      return false
    }
    const { deliveries, next } = (this.#unread ??= journal.read(this.#next, READ_LIMIT))
    for (const [index, delivery] of deliveries.entries()) {
      if (index % FORESEEN === 0) this.#docket.foresee(deliveries.slice(index, index + FORESEEN))
      // Judged in a slice before: passing it by is no work, however short this one is.
      if (delivery.seq + delivery.readings.length <= this.#next) continue
      if (!this.#judge(delivery, isTimeUp) || isTimeUp()) return true
    }
    this.#unread = null
    const isMore = next > this.#next || deliveries.length > 0
    this.#next = Math.max(this.#next, next)
    if (this.#mode === 'catching up' && this.#next >= journal.head()) this.#mode = 'in step'
    return isMore
  }

  /** From where it has come to; whether that was all of it. */
  #judge(delivery: Delivery, isTimeUp: () => boolean): boolean {
    const { seq, origin } = delivery
    const end = seq + delivery.readings.length
    if (end <= this.#next) return true
    const sorted = { ...delivery, readings: inOrder(delivery.readings) }
    const portion = Math.ceil(PORTION / Math.max(1, this.#docket.weight(origin)))
    for (let from = Math.max(seq, this.#next); from < end; from = this.#next) {
      // The rest is for the present rules.
      if (this.#mode === 'replaying' && from >= this.#heard) return false
      const isReplayed = this.#mode === 'replaying'
      const to = Math.min(end, from + portion, isReplayed ? this.#heard : Infinity)
      const part = to === end ? sorted : { ...sorted, readings: sorted.readings.slice(0, to - seq) }
      this.#docket.judge(part, from, isReplayed)
      this.#next = to
      if (to < end && isTimeUp()) return false
    }
    return true
  }

  /** Whether the alarm's condition is over already and only the time runs for which it has to be. */
  isEnding(alarm: Pick<Alarm, 'device' | 'rule'>): boolean {
    return this.#docket.isEnding(alarm)
  }

  /** From the last run to this one. When it fails the next tick tries again. */
  #resume(): void {
    const { book, clock, log } = this.#parts
    this.#change(async () => {
      const steps = this.#docket.resume(this.#rules, [...book.firing()], this.#next, clock.now())
      for (const orphan of await this.#goOver(steps)) log.info(orphan, 'alarm cleared')
    }).catch((error: unknown) => {
      if (!(error instanceof JudgeBusy)) this.#fail(error)
    })
  }

  /** Nothing is judged, written or told until `work` is done; when it fails, all is as it was. */
  async #change(work: () => Promise<void>): Promise<void> {
    const isResumed = this.#mode === 'replaying'
    this.#mode = 'changing'
    const changed = work()
    this.#changing = changed.catch(() => {})
    try {
      await changed
    } catch (error) {
      if (this.#isStopped()) throw new JudgeBusy('the gateway stops')
      this.#isAdrift = true
      this.#mode = 'replaying'
      this.#waiting = []
      if (!isResumed) this.#soon()
      throw error
    }
    if (this.#isStopped()) return
    this.#mode = 'catching up'
    const waiting = this.#waiting
    this.#waiting = []
    for (const heed of waiting) heed()
    this.#soon()
  }

  async #goOver<T>(steps: Iterator<void, T>, along?: Along): Promise<T> {
    const found = await this.#record.goOver(steps, this.#next, along)
    await this.#record.tidy().catch((error: unknown) => {
      // The rules are in force; it is done before they change again.
      if (!this.#isStopped()) this.#fail(error)
    })
    return found
  }

  /** Until `work` says that it is done; a turn of everything else after each slice. */
  async #inSlices(work: (isTimeUp: () => boolean) => boolean): Promise<void> {
    for (;;) {
      const end = performance.now() + CHANGE_SLICE_MS
      if (work(() => performance.now() >= end)) return
      await nextTurn()
      if (this.#isStopped()) throw new JudgeBusy('the gateway stops')
    }
  }

  #isStopped(): boolean {
    return this.#mode === 'stopped'
  }

  /** Timers, and now and then values and states. False when there was no time for all of it. */
  #tick(isTimeUp: () => boolean): boolean {
    if (this.#mode === 'replaying') return true
    if (this.#mode === 'in step' && !this.#docket.runTimers(this.#parts.clock.now(), isTimeUp)) return false
    this.#isTickDue = false
    if (++this.#ticks % TICKS_PER_VALUES === 0) this.#docket.noteValues(isTimeUp)
    const end = performance.now() + SLICE_MS
    if (this.#record.save(this.#next, () => performance.now() >= end)) {
      const { journal } = this.#parts
      journal.advance('rules', this.#record.progress.needed).catch((error: unknown) => this.#fail(error))
    }
    // Only now: everything is on disk that should be.
    this.#failure = null
    return true
  }

  /** Not while judging again: the cursor is ahead of that. */
  #note(): void {
    if (this.#mode !== 'replaying') this.#record.note(this.#next)
  }

  #fail(error: unknown): void {
    const detail = `rules are stuck: ${error instanceof Error ? error.message : String(error)}`
    if (this.#failure === null) this.#parts.log.error({ err: error }, 'judge failed; it will try again')
    this.#failure = detail
  }
}
