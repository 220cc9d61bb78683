import { randomBytes } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Log } from '../../log.ts'
import type { Clock } from '../../model/clock.ts'
import type { District } from '../../model/district.ts'
import type { Health, Part } from '../../model/pipeline.ts'
import type { Along, Database } from '../../registry/database.ts'
import { RegistryError } from '../../registry/registry-error.ts'
import type { CaseChange } from '../case-change.ts'
import type { Queue } from '../queue.ts'
import type { Range } from './addresses.ts'
import type { Announcement } from './announcement.ts'
import type { Channel } from './channels/channel.ts'
import { dingtalk } from './channels/dingtalk.ts'
import { feishu } from './channels/feishu.ts'
import { webhook } from './channels/webhook.ts'
import { wecom } from './channels/wecom.ts'
import { Deliveries, type Delivery } from './deliveries.ts'
import { Lane } from './lane.ts'
import type { Message } from './message.ts'
import { NoticeLog } from './notice-log.ts'
import { noticesOf } from './notice.ts'
import { SendError, Sender } from './sender.ts'
import type { ChannelType, Filter, Subscription } from './subscription.ts'
import { Subscriptions } from './subscriptions.ts'
import { siteTitles, worded, wordedTest, type Language, type WordingOptions } from './wording.ts'

/** Each may hold a socket, and reads the log for itself. */
const SUBSCRIPTIONS = 100
/** A stop waits this long for answers, ms. */
const STOP_TIMEOUT = 2000
/** The log of notices is shortened after so many. */
const PRUNE_EVERY = 500

export interface AnnouncerOptions {
  readonly database: Database
  readonly district: District
  readonly clock: Clock
  readonly log: Log
  /** Whether cases of nothing but simulated alarms are told. */
  readonly callsForSimulated: boolean
  /** Where people open the console, without a slash at its end; empty when nobody has said. */
  readonly consoleUrl: string
  readonly allowed: readonly Range[]
  readonly allowHttp: boolean
}

/** What somebody asks for. */
export interface Wish {
  readonly type: ChannelType
  readonly url: string
  readonly secret?: string | null
  readonly language?: Language
  readonly filter?: Filter
  readonly rate?: number | null
}

/** How a receiver is doing. */
export interface Standing {
  /** Deliveries by state. */
  readonly open: number
  readonly sent: number
  readonly dead: number
}

/**
 * Tells those outside who asked for it: chat robots and other programs. It notes what there is to tell inside the
 * transaction of each change, and a {@link Lane} for each subscription sends it afterwards.
 */
export class Announcer implements Part {
  readonly #options: AnnouncerOptions
  readonly #sender: Sender
  readonly #wording: WordingOptions
  readonly #subscriptions: Subscriptions
  readonly #notices: NoticeLog
  readonly #deliveries: Deliveries
  readonly #channels: Readonly<Record<ChannelType, Channel>>
  readonly #lanes = new Map<string, Lane>()
  /** Subscriptions whose test is under way. */
  readonly #testing = new Set<string>()
  #running = false
  #waking: NodeJS.Immediate | undefined
  #sincePruned = 0

  constructor(options: AnnouncerOptions) {
    this.#options = options
    this.#sender = new Sender(options)
    this.#wording = { ...options, sites: siteTitles(options.district) }
    this.#subscriptions = new Subscriptions(options.database)
    this.#notices = new NoticeLog(options.database)
    this.#deliveries = new Deliveries(options.database)
    const source = `urn:gridwhistle:${encodeURIComponent(options.district.id)}`
    this.#channels = { wecom, dingtalk, feishu, webhook: webhook({ source }) }
  }

  /** Before either starts. */
  watch(queue: Queue): void {
    queue.onChange((change) => this.#note(change))
  }

  async start(): Promise<void> {
    this.#running = true
    for (const subscription of this.#subscriptions.all()) this.#open(subscription)
    this.#wakeSoon()
  }

  /** What was not taken yet waits for the next start. */
  async stop(): Promise<void> {
    this.#running = false
    clearImmediate(this.#waking)
    const ended = Promise.all([...this.#lanes.values()].map(async (lane) => lane.stop()))
    await Promise.race([ended, sleep(STOP_TIMEOUT)])
    this.#sender.close()
    await ended
    this.#lanes.clear()
  }

  /** Looks again at what waits: for a clock that is moved by hand. */
  settle(): void {
    this.#wakeSoon()
  }

  #note(change: CaseChange): void {
    if (this.#subscriptions.size === 0) return
    const { database, clock, callsForSimulated } = this.#options
    if (change.after.simulated && !callsForSimulated) return
    for (const notice of noticesOf(change, clock.now())) {
      this.#notices.append(notice)
      this.#sincePruned += 1
    }
    database.afterCommit(() => this.#wakeSoon())
  }

  /** Not in the call that follows the commit: orders to teams come first. */
  #wakeSoon(): void {
    if (!this.#running || this.#waking !== undefined) return
    this.#waking = setImmediate(() => {
      this.#waking = undefined
      for (const lane of this.#lanes.values()) lane.wake()
      if (this.#sincePruned >= PRUNE_EVERY) this.#prune()
    })
  }

  #prune(): void {
    const { database, log } = this.#options
    this.#sincePruned = 0
    try {
      database.derive(() => this.#notices.prune(this.#subscriptions.lowest()))
    } catch (error) {
      log.warn({ err: error }, 'the log of announcements could not be shortened')
    }
  }

  #open(subscription: Subscription): void {
    const { database, clock, log } = this.#options
    const lane = new Lane(subscription, this.#channels[subscription.type], {
      database,
      clock,
      log,
      subscriptions: this.#subscriptions,
      notices: this.#notices,
      deliveries: this.#deliveries,
      sender: this.#sender,
      word: (announcement, { language }) => this.#word(announcement, language),
    })
    this.#lanes.set(subscription.id, lane)
  }

  #word(announcement: Announcement, language: Language): Message {
    return announcement.count === 0
      ? wordedTest(language, this.#wording, announcement.at)
      : worded(announcement, language, this.#wording)
  }

  /** Always ready: a receiver that is down is no reason to take in no readings. */
  health(): Health {
    const { dead, failing } = this.#deliveries.totals()
    const receivers = `${this.#subscriptions.size} receivers`
    const trouble = failing === 0 ? '' : `, ${failing} cannot be told now`
    return { ready: true, detail: `${receivers}${trouble}${dead === 0 ? '' : `, ${dead} dead letters`}` }
  }

  /** Announcements that wait, and those that were given up. */
  totals(): { readonly open: number; readonly dead: number } {
    const { open, dead } = this.#deliveries.totals()
    return { open, dead }
  }

  all(): readonly Subscription[] {
    return this.#subscriptions.all()
  }

  get(id: string): Subscription | undefined {
    return this.#subscriptions.get(id)
  }

  /** The address as it may be shown. */
  maskedUrl({ type, url }: Pick<Subscription, 'type' | 'url'>): string {
    return this.#channels[type].masked(new URL(url))
  }

  standing(id: string): Standing {
    return this.#deliveries.counts(id)
  }

  /** Throws {@link RegistryError}. A webhook without a secret is given one, to be shown this once. */
  create(
    wish: Wish,
    createdBy: string,
    along: (made: Subscription) => void,
  ): { readonly subscription: Subscription; readonly madeSecret: string | null } {
    if (this.#subscriptions.size >= SUBSCRIPTIONS)
      throw new RegistryError(
        'busy',
        `there are ${SUBSCRIPTIONS} subscriptions, which is all that there may be`,
      )
    const madeSecret =
      wish.type === 'webhook' && (wish.secret ?? null) === null
        ? `whsec_${randomBytes(32).toString('base64')}`
        : null
    const subscription: Subscription = {
      id: randomBytes(8).toString('hex'),
      type: wish.type,
      url: wish.url,
      secret: madeSecret ?? wish.secret ?? null,
      language: wish.language ?? 'zh',
      filter: wish.filter ?? {},
      rate: wish.rate ?? null,
      createdBy,
      createdAt: this.#options.clock.now(),
    }
    this.#check(subscription)
    const { database } = this.#options
    database.transaction(() => {
      this.#subscriptions.put(subscription, this.#notices.head())
      along(subscription)
    })
    if (this.#running) this.#open(subscription)
    return { subscription, madeSecret }
  }

  /** Throws {@link RegistryError}. What waits is tried at once. */
  change(id: string, wish: Partial<Omit<Wish, 'type'>>, along: Along): Subscription {
    const before = this.#known(id)
    const { url, secret, language, filter, rate } = wish
    const after: Subscription = {
      ...before,
      ...(url !== undefined && { url }),
      ...(secret !== undefined && { secret }),
      ...(language !== undefined && { language }),
      ...(filter !== undefined && { filter }),
      ...(rate !== undefined && { rate }),
    }
    this.#check(after)
    const { database, clock } = this.#options
    database.transaction(() => {
      this.#subscriptions.put(after, this.#subscriptions.cursor(id))
      this.#deliveries.hurry(id, clock.now())
      along()
    })
    this.#lanes.get(id)?.changed()
    return after
  }

  /** Throws {@link RegistryError}. What it was still to be told goes with it. */
  remove(id: string, along: Along): void {
    this.#known(id)
    this.#options.database.transaction(() => {
      this.#subscriptions.remove(id)
      this.#deliveries.forget(id)
      along()
    })
    void this.#lanes.get(id)?.stop()
    this.#lanes.delete(id)
  }

  /** Posts a test message now, past the line. Null when the receiver took it, else what it said. */
  async test(id: string): Promise<string | null> {
    const subscription = this.#known(id)
    const lane = this.#lanes.get(id)
    // One at a time: nobody makes the gateway hammer at a stranger's door.
    if (lane === undefined || this.#testing.has(id) || !lane.takePlace())
      throw new RegistryError('busy', 'the receiver takes no more messages at this moment')
    const channel = this.#channels[subscription.type]
    const now = this.#options.clock.now()
    const announcement = { id: `test:${id}:${now}`, at: now, notices: [], count: 0, groups: [] }
    const message = this.#word(announcement, subscription.language)
    this.#testing.add(id)
    try {
      const answer = await this.#sender.post(channel.request({ announcement, message }, subscription, now))
      const verdict = channel.verdict(answer)
      return verdict.type === 'taken' ? null : verdict.detail
    } catch (error) {
      if (error instanceof SendError) return error.message
      throw error
    } finally {
      this.#testing.delete(id)
    }
  }

  /** Newest first; `dead` for dead letters alone. */
  deliveries(
    query: { readonly subscriptions: readonly string[]; readonly dead: boolean },
    limit: number,
    before?: number,
  ): Delivery[] {
    return this.#deliveries.list(query, limit, before)
  }

  delivery(number: number): Delivery | undefined {
    return this.#deliveries.get(number)
  }

  /** A dead letter goes out again. Throws {@link RegistryError}. */
  retry(number: number, along: Along): void {
    const { database, clock } = this.#options
    database.transaction(() => {
      if (!this.#deliveries.reopen(number, clock.now()))
        throw new RegistryError('not_found', `there is no dead letter ${number}`)
      along()
    })
    this.#wakeSoon()
  }

  #known(id: string): Subscription {
    const subscription = this.#subscriptions.get(id)
    if (subscription === undefined) throw new RegistryError('not_found', `there is no subscription "${id}"`)
    return subscription
  }

  #check({ type, url, secret, filter, rate }: Subscription): void {
    const channel = this.#channels[type]
    if (!URL.canParse(url)) throw invalid('url', 'is not an address such as https://example.cn/hook')
    const parsed = new URL(url)
    const fault = this.#sender.fault(parsed)
    if (fault !== null) throw invalid('url', fault)
    const expected = channel.fault(parsed)
    if (expected !== null) throw invalid('url', `expected ${expected}`)
    if (type === 'wecom' && secret !== null)
      throw invalid('secret', 'a WeCom robot has none but the key in its address')
    if (type === 'webhook' && secret === null) throw invalid('secret', 'a webhook must have one')
    if (
      secret?.startsWith('whsec_') === true &&
      !/^whsec_(?:[A-Za-z0-9+/]{4}){5,}[A-Za-z0-9+/]*={0,2}$/.test(secret)
    )
      throw invalid('secret', 'behind whsec_ expected Base64 of 16 bytes at least')
    const most = Math.min(
      ...channel.limits.filter((limit) => limit.windowMs === 60_000).map((limit) => limit.posts),
    )
    if (rate !== null && rate > most)
      throw invalid('rate', `this kind of robot takes ${most} a minute at most`)
    const { streets, teams } = this.#options.district
    const street = filter.streets?.find((id) => !streets.some((known) => known.id === id))
    if (street !== undefined) throw invalid('filter/streets', `the district has no street "${street}"`)
    const team = filter.teams?.find((id) => !teams.some((known) => known.id === id))
    if (team !== undefined) throw invalid('filter/teams', `the district has no team "${team}"`)
  }
}

function invalid(field: string, message: string): RegistryError {
  return new RegistryError('invalid', `body/${field}: ${message}`)
}
