import type { Alarm } from './alarm.ts'
import type { Delivery, Origin, Reading, Refusal, StoredReading } from './reading.ts'

/** Something with a life: constructors only assign, `start()` and `stop()` do. `stop()` may be called twice. */
export interface Part {
  start(): Promise<void>
  stop(): Promise<void>
}

/** What a part says of itself on `/readyz`. */
export interface Health {
  readonly ready: boolean
  /** One line for people: what is wrong and since when, or what it is doing. */
  readonly detail: string
}

/** A message from a source, before anything is known about it. */
export interface Message {
  readonly device: string
  /** JSON of one reading or of an array, as it came from the wire; or readings that a codec made. */
  readonly payload: Uint8Array | readonly unknown[]
  /** JSON text that says the same as the readings of a codec, where it has it; on loan, like the payload. */
  readonly text?: Uint8Array
  readonly receivedAt: number
  /** What came over the wire where the payload is what a codec made of it. */
  readonly wire?: WireFrames
}

/** What is the same for thousands of messages of a wire that does not carry JSON. */
export interface WireForm {
  /** Name of the wire: `hj212`. */
  readonly wire: string
  /** Checksum that the frames were right by when they came. */
  readonly checksum: string
  /** What `*` stands in for; a checksum over it cannot be right any more. */
  readonly masked: readonly string[]
}

/**
 * What a message was on a wire that does not carry JSON, for those who look into a case later. Nothing in it is
 * secret: whoever hands it over has masked what is.
 */
export interface WireFrames {
  /** The same object for all messages that have it. */
  readonly form: WireForm
  /** In their order, as they came; on loan, like a payload: what is kept of them is copied before `accept` returns. */
  readonly frames: readonly Uint8Array[]
  /** Frames of the message that would have been too much. */
  readonly leftOut: number
}

/** The same as those read it who look into a case. */
export interface WireText extends WireForm {
  /** Text, or base64 where {@link encoding} says so. */
  readonly frames: readonly string[]
  readonly encoding?: 'base64'
  readonly leftOut?: number
}

/** What became of a message. Every reading of it is counted in exactly one of the three. */
export interface Outcome {
  readonly accepted: number
  readonly duplicates: number
  readonly refused: readonly Refusal[]
}

/**
 * The one door for every source. Resolves when the message is durable (fsync): only then may the source
 * acknowledge. Rejects only with {@link JournalUnavailable}: then it must not.
 */
export interface Intake {
  accept(message: Message): Promise<Outcome>
}

/** The disk cannot take it: full, failing, or further behind than the memory bound allows. */
export class JournalUnavailable extends Error {
  override readonly name = 'JournalUnavailable'
  readonly code = 'journal_unavailable'
}

/** One message on its way into the journal. All of it is committed together, or none of it. */
export interface JournalWrite {
  /** Absent when every reading was a duplicate or refused. */
  readonly entry?: JournalEntry
  readonly duplicates: number
  readonly refusals: readonly Refusal[]
  /** Quarantine entries that this write takes out again (a retry that succeeded). */
  readonly released?: readonly number[]
}

export interface JournalEntry {
  readonly origin: Origin
  readonly receivedAt: number
  /** JSON text of the accepted readings, one or an array: the bytes on disk. */
  readonly body: Uint8Array
  /** The same readings decoded, so that live consumers need not parse them again. */
  readonly readings: readonly Reading[]
  /** Kept beside the readings, for as long as they are; consumers of readings never see it. */
  readonly wire?: WireFrames
}

/** Exact at any moment: received = accepted + duplicates + quarantined, accepted = stored + pending. */
export interface Ledger {
  readonly received: number
  readonly accepted: number
  readonly duplicates: number
  readonly quarantined: number
  readonly stored: number
  readonly pending: number
}

/** A message as it lies in the journal. */
export interface KeptMessage {
  /** Number of its first reading, and how many it holds. */
  readonly seq: number
  readonly readings: number
  readonly origin: Origin
  /** Epoch milliseconds. */
  readonly receivedAt: number
  /** JSON text of its accepted readings: the bytes of the wire when all of them were accepted. */
  readonly body: Uint8Array
}

/** The durable log between intake and consumers. `gateway/journal/` documents the format on disk. */
export interface Journal extends Part {
  /**
   * Resolves after the fsync of the commit that holds the write. Rejects with {@link JournalUnavailable};
   * then nothing of it is on disk.
   */
  append(write: JournalWrite): Promise<void>
  /** Called after each commit, in order, with what it held. Listeners must only take note, not work. */
  onCommit(listener: (deliveries: readonly Delivery[]) => void): void
  /** Number that the next reading will get: everything below is durable. */
  head(): number
  /** First reading that is still held. */
  tail(): number
  /** Deliveries from reading `from` on, about `limit` readings, and where to go on; for catching up. */
  read(from: number, limit: number): { readonly deliveries: readonly Delivery[]; readonly next: number }
  /** The same as it lies there, not decoded. */
  messages(from: number, limit: number): { readonly messages: readonly KeptMessage[]; readonly next: number }
  /**
   * Where a consumer stands: it has dealt with everything below. Unknown consumers start at the tail. Ask within
   * a minute of the start: only consumers that have asked since then hold readings back from retention.
   */
  cursor(consumer: string): number
  /**
   * A consumer has dealt with everything below `next`; never goes backwards. Written within about a second:
   * after a crash a consumer may see the last stretch again. `rejected` are readings below `next` that its store
   * can never take: with them it resolves after the fsync of one commit that holds the cursor, the count and
   * their quarantine entries, or rejects with {@link JournalUnavailable} and nothing has moved.
   */
  advance(consumer: string, next: number, rejected?: readonly Refusal[]): Promise<void>
  ledger(): Ledger
  health(): Health
}

export const AGGREGATES = ['mean', 'min', 'max', 'sum', 'count'] as const
export type Aggregate = (typeof AGGREGATES)[number]

export interface Query {
  readonly device: string
  readonly kind: string
  /** A field of contract §6: a metric of the kind, `{metric}_flag`, or `lon`, `lat`, `alt` of a moving one. */
  readonly metric: string
  /** Epoch milliseconds, `from` inclusive, `to` exclusive. */
  readonly from: number
  readonly to: number
  /**
   * Roll-up: one value by `agg` for each window of `every` ms. Windows begin at multiples of `every` from the
   * epoch and carry the time of their beginning (so the first may lie before `from`); empty ones are left out.
   * Raw points when absent.
   */
  readonly every?: number
  /** `mean` when absent. Of booleans there are only
   * `count`, `min` and `max`, of text only `count`: the other aggregates are empty. */
  readonly agg?: Aggregate
  readonly limit: number
}

/** Text only for a `{metric}_flag`. */
export type Point = readonly [ts: number, value: number | boolean | string]

/** A reading that the store refuses for good: it goes to the quarantine, not to the floor. */
export interface Reject {
  readonly delivery: Delivery
  readonly reading: Reading
  readonly reason: string
}

/** An alarm as it was after one of its changes. */
export interface AlarmChange {
  /** Number of the change; rises, gaps allowed. */
  readonly seq: number
  /** When the change happened, event time, epoch milliseconds. */
  readonly at: number
  readonly alarm: Alarm
}

/** Where the historian learns of alarms. It may ask for the same stretch again, also after a restart. */
export interface AlarmFeed {
  /** Changes with a number above `cursor`, in order, at most `limit`. */
  after(cursor: number, limit: number): readonly AlarmChange[]
}

/**
 * Where readings are kept for years. Writing is idempotent: a point with the same tags and time overwrites
 * itself, so the journal may be replayed at will.
 */
export interface Historian extends Part {
  /** Identity of the store (type, address, database): the journal keeps one cursor for each. */
  readonly target: string
  /**
   * Stores the deliveries; resolves with the readings it can never take. Rejects when the store cannot be
   * reached or is failing: the caller keeps the batch and tries again.
   */
  write(deliveries: readonly Delivery[]): Promise<readonly Reject[]>
  /** Stores alarms beside the readings (contract §6); rejects like {@link write}. */
  writeAlarms(changes: readonly AlarmChange[]): Promise<void>
  /** In time order. */
  query(query: Query): Promise<readonly Point[]>
}

/** A reading out of the history, with the tags that it was stored under. */
export interface Recorded {
  readonly origin: Origin
  readonly reading: StoredReading
}

/** What to read of the history: one device's readings, epoch milliseconds, `from` inclusive, `to` exclusive. */
export interface Stretch {
  readonly device: string
  readonly kind: string
  readonly from: number
  readonly to: number
}

/**
 * What a historian holds, for those who read all of it. Changes nothing, and opens what it needs by itself:
 * beside a gateway that runs, or without one.
 */
export interface History {
  /** Devices of the kind that ever sent a reading, by name. */
  devices(kind: string): Promise<readonly string[]>
  /**
   * The stretch in time order, in chunks of some thousands, so that a year costs no more memory than a day.
   * Readings of one instant that were stored under the same tags are one.
   */
  scan(stretch: Stretch): AsyncIterable<readonly Recorded[]>
  close(): void
}

/** Sends to MQTT subscribers. Resolves when the broker has taken it (retained and queued copies on disk). */
export interface Publisher {
  publish(
    topic: string,
    payload: string,
    options: { readonly qos: 0 | 1; readonly retain: boolean },
  ): Promise<void>
}

/** A publisher that says what it retains. */
export interface Retainer extends Publisher {
  /** Topics that match the filter and have a message retained. */
  retainedTopics(filter: string): Iterable<string>
}

/** Takes commands to devices that are bound to another wire than MQTT. */
export interface CommandCarrier {
  carries(device: string): boolean
  /** Null when the command can go out now, else why not. */
  check(
    device: string,
    command: string,
    args: unknown,
  ): { readonly code: 'bad_request' | 'conflict'; readonly detail: string } | null
  /** Sends what {@link check} found right; the result comes later, as one of MQTT does. */
  send(id: string, device: string, command: string, args: unknown): void
}
