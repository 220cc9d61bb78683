import type { ServerResponse } from 'node:http'
import type { User } from '../model/user.ts'
import type { Scope } from './scope.ts'

export const EVENT_TYPES = ['reading', 'alarm', 'case', 'device'] as const
export type EventType = (typeof EVENT_TYPES)[number]

/** Past events kept for those who come back: of readings, which are samples anyway, and of the rest. */
const READINGS_KEPT = 1000
const CHANGES_KEPT = 4000
/** A client that has this much unread is not reading: it is dropped and may resume. */
const UNREAD_LIMIT = 1 << 20
const CLIENTS_LIMIT = 500
/** Of one user: somebody's hundred browser tabs must not keep all others out. */
const CLIENTS_PER_USER = 50
/** Comment lines that keep proxies and dead connections honest, ms. */
const HEARTBEAT = 15_000

interface StoredEvent {
  readonly seq: number
  readonly text: string
  readonly visible: (scope: Scope) => boolean
}

interface Client {
  readonly response: ServerResponse
  readonly scope: Scope
  /** Asked at each heartbeat: a stream must not outlive the right to it. */
  readonly allowed: () => boolean
}

/**
 * Server-sent events with resume (WHATWG HTML §9.2). Ids are `{run}-{number}`: a client that comes back with
 * `Last-Event-ID` gets what it missed, or one `reset` when that is no longer known (another run of the
 * gateway, or too long ago): then it must load its lists afresh.
 */
export class EventStream {
  readonly #run: string
  #seq = 0
  readonly #readings: StoredEvent[] = []
  readonly #changes: StoredEvent[] = []
  /** The newest change that is no longer kept. */
  #forgotten = 0
  readonly #clients = new Set<Client>()
  #heartbeat: NodeJS.Timeout | undefined

  constructor(run: string) {
    this.#run = run
  }

  start(): void {
    this.#heartbeat = setInterval(() => this.beat(), HEARTBEAT)
  }

  /** A sign of life for everyone who may still listen; the others are sent away. */
  beat(): void {
    for (const client of this.#clients) {
      if (client.allowed()) this.#send(client, ':\n\n')
      else this.#drop(client)
    }
  }

  stop(): void {
    clearInterval(this.#heartbeat)
    for (const client of this.#clients) {
      this.#clients.delete(client)
      client.response.end()
    }
  }

  get clients(): number {
    return this.#clients.size
  }

  hasRoomFor(user: User): boolean {
    if (this.#clients.size >= CLIENTS_LIMIT) return false
    let own = 0
    for (const { scope } of this.#clients) if (scope.user.name === user.name) own++
    return own < CLIENTS_PER_USER
  }

  /** Tells everyone who may see it. `data` is taken as it is now. */
  emit(type: EventType, data: unknown, visible: (scope: Scope) => boolean): void {
    this.emitAll(type, [data], visible)
  }

  /** The same for several at once: however many there are, each client costs one write. */
  emitAll<T>(type: EventType, items: readonly T[], visible: (scope: Scope, item: T) => boolean): void {
    if (items.length === 0) return
    const events = items.map((item) => this.#keep(type, item, (scope) => visible(scope, item)))
    for (const client of this.#clients) {
      const seen = events.filter((event) => event.visible(client.scope))
      if (seen.length > 0) this.#send(client, seen.map((event) => event.text).join(''))
    }
  }

  #keep(type: EventType, data: unknown, visible: (scope: Scope) => boolean): StoredEvent {
    const seq = ++this.#seq
    const text = `id: ${this.#run}-${seq}\nevent: ${type}\ndata: ${JSON.stringify(data)}\n\n`
    const event = { seq, text, visible }
    if (type === 'reading') keep(this.#readings, event, READINGS_KEPT)
    else this.#forgotten = keep(this.#changes, event, CHANGES_KEPT)?.seq ?? this.#forgotten
    return event
  }

  /** Takes over a response whose head is written; it ends when the client goes, is too slow, or at stop. */
  connect(response: ServerResponse, scope: Scope, allowed: () => boolean, lastEventId?: string): void {
    const client: Client = { response, scope, allowed }
    this.#clients.add(client)
    response.on('close', () => this.#clients.delete(client))
    response.on('error', () => this.#drop(client))
    // An id without data: the browser takes note, so a stream that breaks before its first event resumes.
    const greeting = `retry: 2000\nid: ${this.#run}-${this.#seq}\n\n`
    this.#send(client, this.#missed(scope, lastEventId) + greeting)
  }

  #missed(scope: Scope, lastEventId: string | undefined): string {
    if (lastEventId === undefined || lastEventId === '') return ''
    const [, run, digits] = /^([a-z0-9]+)-(\d{1,15})$/.exec(lastEventId) ?? []
    const seq = Number(digits)
    if (run !== this.#run || seq > this.#seq || seq < this.#forgotten) return 'event: reset\ndata: {}\n\n'
    return [...this.#changes, ...this.#readings]
      .filter((event) => event.seq > seq && event.visible(scope))
      .sort((a, b) => a.seq - b.seq)
      .map((event) => event.text)
      .join('')
  }

  #send(client: Client, text: string): void {
    if (client.response.writableLength > UNREAD_LIMIT) this.#drop(client)
    else client.response.write(text)
  }

  #drop(client: Client): void {
    this.#clients.delete(client)
    client.response.destroy()
  }
}

/** The event that had to go, if any. */
function keep(ring: StoredEvent[], event: StoredEvent, most: number): StoredEvent | undefined {
  ring.push(event)
  return ring.length > most ? ring.shift() : undefined
}
