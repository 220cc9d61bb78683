import { setTimeout as sleep } from 'node:timers/promises'
import type { Log } from '../../log.ts'
import type { Clock } from '../../model/clock.ts'
import type { Database } from '../../registry/database.ts'
import { announcementOf, type Announcement } from './announcement.ts'
import type { Channel, Verdict } from './channels/channel.ts'
import type { Deliveries, Delivery } from './deliveries.ts'
import type { Message } from './message.ts'
import type { NoticeLog } from './notice-log.ts'
import type { Notice } from './notice.ts'
import { LONGEST_RETRY, Pace, retryAfter } from './pace.ts'
import { SendError, type Sender } from './sender.ts'
import { wants, type Subscription } from './subscription.ts'
import type { Subscriptions } from './subscriptions.ts'

/** Up to so many at once are told one by one, as long as the receiver's limits leave room for it … */
const ONE_BY_ONE = 3
/** … and what is merged comes this far apart at least, ms: a storm is a message now and then, not a flood. */
const MERGE_GAP = 10_000
/** However long there is to wait, look again after this, ms: the wall clock may have been set. */
const LOOK_AGAIN = 10_000
/** Notices in one look at the log. */
const LOOK = 200
/** Rows that nobody wanted are passed over on disk too after so many. */
const PASS_OVER = 500
const DISK_RETRY = 1000
const MINUTE = 60_000
/** A receiver may ask for an hour (`Retry-After`), ms. */
const LONGEST_WAIT = Math.max(LONGEST_RETRY, 60 * MINUTE)

export interface LaneParts {
  readonly database: Database
  readonly subscriptions: Subscriptions
  readonly notices: NoticeLog
  readonly deliveries: Deliveries
  readonly sender: Pick<Sender, 'post'>
  readonly clock: Clock
  readonly log: Log
  readonly word: (announcement: Announcement, subscription: Subscription) => Message
}

/**
 * One receiver's line: a post at a time, in order, and none while it has been told to wait. Lanes share nothing but
 * the database, so a receiver that hangs or is gone holds up its own line alone.
 *
 * Order of operations, and what a kill between two of them costs:
 * 1. the change of the case and its notice are written, in one transaction: nothing is ever forgotten
 * 2. what the next message holds is written, and the cursor moved past it, in one transaction
 * 3. the message is posted: killed before the next step, and this one message goes out again after the start
 * 4. the answer is written down
 * So a kill repeats at most the one message that each receiver was just being sent, word for word and with the same
 * id. None of it waits for an fsync: a power cut may take back the last steps, notices with the cases that they are
 * of, and ids stay what they were when they are derived again.
 */
export class Lane {
  readonly #parts: LaneParts
  readonly #id: string
  readonly #channel: Channel
  #pace: Pace
  /** The last notice that was looked at: the cursor on disk may be behind it, never ahead. */
  #looked: number
  /** More has come than is told one by one: when it is told together, epoch ms. */
  #mergeAt = 0
  #running: Promise<void> | undefined
  #again = false
  #stopped = false
  #timer: NodeJS.Timeout | undefined
  readonly #halt = new AbortController()

  constructor(subscription: Subscription, channel: Channel, parts: LaneParts) {
    this.#parts = parts
    this.#id = subscription.id
    this.#channel = channel
    this.#pace = this.#paceOf(subscription)
    this.#looked = parts.subscriptions.cursor(subscription.id)
  }

  /** Something may be there to send. Cheap; call it as often as you like. */
  wake(): void {
    if (this.#stopped) return
    if (this.#running !== undefined) {
      this.#again = true
      return
    }
    clearTimeout(this.#timer)
    this.#running = this.#run().finally(() => {
      this.#running = undefined
      if (this.#again) {
        this.#again = false
        this.wake()
      }
    })
  }

  /** The subscription is another now, its rate perhaps. */
  changed(): void {
    const subscription = this.#parts.subscriptions.get(this.#id)
    this.#mergeAt = 0
    if (subscription !== undefined) this.#pace = this.#paceOf(subscription)
    this.wake()
  }

  #paceOf({ rate }: Subscription): Pace {
    const { deliveries, clock } = this.#parts
    const limits = [...this.#channel.limits, ...(rate === null ? [] : [{ posts: rate, windowMs: MINUTE }])]
    if (limits.length === 0) return new Pace([])
    const longest = Math.max(...limits.map((limit) => limit.windowMs))
    return new Pace(limits, deliveries.triedSince(this.#id, clock.now() - longest))
  }

  /** Resolves when a post that is under way has been answered and written down. */
  async stop(): Promise<void> {
    this.#stopped = true
    clearTimeout(this.#timer)
    this.#halt.abort()
    await this.#running
  }

  /** A post outside the line, for a test: false when the receiver's limits leave no room for it now. */
  takePlace(): boolean {
    const now = this.#parts.clock.now()
    if (this.#pace.wait(now) > 0) return false
    this.#pace.note(now)
    return true
  }

  async #run(): Promise<void> {
    try {
      for (;;) {
        this.#again = false
        const next = this.#stopped ? null : this.#next()
        if (next === null) return
        if (typeof next === 'number') {
          this.#timer = setTimeout(() => this.wake(), Math.min(Math.max(next, 1), LOOK_AGAIN))
          return
        }
        await this.#send(next)
      }
    } catch (error) {
      this.#parts.log.error(
        { err: error, subscription: this.#id },
        'announcements could not be read or written, trying again',
      )
      this.#timer = setTimeout(() => this.wake(), DISK_RETRY)
    }
  }

  /** What to post now, or how long to wait, ms, or null when there is nothing. */
  #next(): Delivery | number | null {
    const { deliveries, clock, subscriptions } = this.#parts
    const now = clock.now()
    if (subscriptions.get(this.#id) === undefined) return null
    const wait = this.#pace.wait(now)
    if (wait > 0) return wait
    const due = deliveries.due(this.#id, now)
    if (due !== undefined) return due
    const nextAt = deliveries.nextAt(this.#id)
    if (nextAt !== null) {
      // Later than any pause is a clock that was set back meanwhile.
      if (nextAt - now <= LONGEST_WAIT) return nextAt - now
      deliveries.hurry(this.#id, now)
      return deliveries.due(this.#id, now) ?? null
    }
    return this.#compose(now)
  }

  /** Writes down what the next message holds. */
  #compose(now: number): Delivery | number | null {
    // In a storm every commit wakes the lane: what will be merged is read once, when its time has come.
    const early = this.#mergeAt - now
    if (early > 0 && early <= MERGE_GAP) return early
    const { merge, expiresMs, limits } = this.#channel
    const { database, deliveries, subscriptions } = this.#parts
    const subscription = subscriptions.get(this.#id)!
    const isMerging = limits.length > 0 || subscription.rate !== null
    const wanted: Notice[] = []
    const expired: Notice[] = []
    const seqs: number[] = []
    let looked = this.#looked
    for (const { seq, notice } of this.#unread(looked)) {
      looked = seq
      if (!wants(subscription.filter, notice)) continue
      if (notice.at < now - expiresMs) expired.push(notice)
      else if (wanted.push(notice)) seqs.push(seq)
      if (expired.length === merge.most || wanted.length === (isMerging ? merge.most : 1)) break
    }
    if (expired.length > 0) {
      const bundles = isMerging ? [expired] : expired.map((notice) => [notice])
      const until = seqs[0] === undefined ? looked : seqs[0] - 1
      database.derive(() => {
        for (const bundle of bundles)
          deliveries.add(
            this.#id,
            announcementOf(bundle, merge.shown),
            now,
            'expired: the receiver was out of reach for too long',
          )
        subscriptions.move(this.#id, until)
      })
      this.#looked = until
      // The rest in another turn of the loop: there may be many.
      return 1
    }
    if (wanted.length === 0) {
      this.#looked = looked
      if (looked - subscriptions.cursor(this.#id) >= PASS_OVER)
        database.derive(() => subscriptions.move(this.#id, looked))
      return null
    }
    const single = !isMerging || (wanted.length <= ONE_BY_ONE && !this.#pace.isBusy(now))
    const gap = MERGE_GAP - this.#pace.idle(now)
    if (!single && gap > 0) {
      this.#mergeAt = now + gap
      return gap
    }
    const told = single ? wanted.slice(0, 1) : wanted
    const until = seqs[told.length - 1]!
    database.derive(() => {
      deliveries.add(this.#id, announcementOf(told, merge.shown), now)
      subscriptions.move(this.#id, until)
    })
    this.#looked = until
    return deliveries.due(this.#id, now) ?? null
  }

  *#unread(from: number) {
    for (let last = from; ;) {
      let count = 0
      for (const logged of this.#parts.notices.after(last, LOOK)) {
        last = logged.seq
        count += 1
        yield logged
      }
      if (count < LOOK) return
    }
  }

  async #send(delivery: Delivery): Promise<void> {
    const { clock, subscriptions } = this.#parts
    const subscription = subscriptions.get(this.#id)!
    this.#pace.note(clock.now())
    const verdict = await this.#post(delivery, subscription)
    // What was taken must be known as taken, or it would be sent again: however long the disk needs.
    for (let isLogged = false; ; isLogged = true) {
      try {
        this.#conclude(delivery, verdict)
        return
      } catch (error) {
        if (!isLogged)
          this.#parts.log.error(
            { err: error, subscription: this.#id },
            'what became of an announcement cannot be written, trying again',
          )
        if (this.#stopped) return
        await sleep(DISK_RETRY, undefined, { signal: this.#halt.signal }).catch(() => {})
      }
    }
  }

  async #post({ announcement }: Delivery, subscription: Subscription): Promise<Verdict> {
    const { sender, clock, word } = this.#parts
    try {
      const letter = { announcement, message: word(announcement, subscription) }
      const answer = await sender.post(this.#channel.request(letter, subscription, clock.now()))
      return this.#channel.verdict(answer)
    } catch (error) {
      if (!(error instanceof SendError)) throw error
      return { type: error.isFinal ? 'refused' : 'later', detail: error.message }
    }
  }

  #conclude(delivery: Delivery, verdict: Verdict): void {
    const { deliveries, clock, log } = this.#parts
    const now = clock.now()
    const note = { subscription: this.#id, announcement: delivery.announcement.id }
    switch (verdict.type) {
      case 'taken':
        deliveries.sent(delivery, now)
        return
      case 'refused':
        deliveries.died(delivery, now, verdict.detail)
        log.warn({ ...note, detail: verdict.detail }, 'an announcement was refused for good')
        return
      case 'later': {
        const { detail, afterMs = 0 } = verdict
        if (now - delivery.madeAt > this.#channel.expiresMs) {
          deliveries.died(delivery, now, `expired: ${detail}`)
          log.warn({ ...note, detail }, 'an announcement could not be delivered in time')
          return
        }
        if (delivery.attempts === 0) log.info({ ...note, detail }, 'an announcement is tried again later')
        const pause = Math.max(afterMs, retryAfter(delivery.attempts + 1, Math.random()))
        deliveries.postponed(delivery, now, now + pause, detail)
        return
      }
      default:
        verdict satisfies never
    }
  }
}
