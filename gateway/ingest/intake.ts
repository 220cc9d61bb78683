import { stampMissing } from '../model/body.ts'
import type { Clock } from '../model/clock.ts'
import type { DeviceDirectory } from '../model/device.ts'
import type { Kinds } from '../model/kind.ts'
import type {
  Intake,
  Journal,
  JournalEntry,
  JournalWrite,
  Message,
  Outcome,
  WireFrames,
} from '../model/pipeline.ts'
import type { Origin, Reading, Refusal, RefusalCode } from '../model/reading.ts'
import { Duplicates } from './duplicates.ts'
import { rawOf, readingsIn } from './payload.ts'
import { readingChecks, type Fault, type ReadingCheck } from './reading-check.ts'

export interface IntakeOptions {
  readonly kinds: Kinds
  readonly devices: Pick<DeviceDirectory, 'origin'>
  readonly journal: Pick<Journal, 'append' | 'head' | 'tail' | 'read'>
  readonly clock: Clock
  /** A longer payload is refused as a whole. */
  readonly maxMessageBytes: number
  readonly duplicates?: Duplicates
  /**
   * Reads again what another wire than ours left in the quarantine: whose it is now and what it says, or why it still
   * cannot be taken; null when the bytes are not of that wire.
   */
  readonly reread?: (raw: Uint8Array) => Reread | Fault | null
}

export interface Reread {
  readonly device: string
  readonly readings: readonly unknown[]
  readonly wire?: WireFrames
}

/** What became of an entry of the quarantine that was tried again. */
export type RetryOutcome =
  | { readonly released: true; readonly outcome: Outcome }
  | {
      readonly released: false
      readonly code: RefusalCode | 'cut_off' | 'in_progress'
      readonly message: string
    }

/**
 * The one door for every source: decode → validate → identify → recognise duplicates → one append to the
 * journal for each message. What does not pass goes to the quarantine with the same append, so the ledger
 * adds up at any moment.
 *
 * A duplicate is acknowledged only after the commit of its original: it is counted in the same group commit or in
 * a later one, and a commit that fails takes all that wait behind it along.
 *
 * Readings that a codec hands over are taken as they are, the list of them too, and get their `ts` here.
 */
export class ReadingIntake implements Intake {
  readonly #options: IntakeOptions
  readonly #checks: ReadonlyMap<string, ReadingCheck>
  readonly #duplicates: Duplicates
  readonly #retrying = new Set<number>()

  constructor(options: IntakeOptions) {
    this.#options = options
    this.#checks = readingChecks(options.kinds)
    this.#duplicates = options.duplicates ?? new Duplicates()
  }

  /** Learns the started journal's newest readings, so that a redelivery across a restart is recognised. */
  restore(): number {
    return this.#duplicates.restore(this.#options.journal)
  }

  accept(message: Message): Promise<Outcome> {
    const { device, payload, receivedAt, wire } = message
    const text = payload instanceof Uint8Array ? payload : message.text
    const readings = readingsIn(payload, this.#options.maxMessageBytes)
    if ('code' in readings) {
      const refusals = [refuse(message, readings, payload)]
      return this.#options.journal
        .append({ duplicates: 0, refusals })
        .then(() => ({ accepted: 0, duplicates: 0, refused: refusals }))
    }
    const origin = this.#options.devices.origin(device)
    const refusals: Refusal[] = []
    let duplicates = 0
    // A list of its own only once one of them is not accepted: nearly always all are.
    let accepted: Reading[] | null = null
    for (let i = 0; i < readings.length; i++) {
      const reading = readings[i]
      const fault = this.#fault(device, origin, reading, receivedAt)
      if (fault === null && this.#isNew(device, reading as Reading, receivedAt)) {
        accepted?.push(reading as Reading)
        continue
      }
      accepted ??= readings.slice(0, i) as Reading[]
      if (fault === null) duplicates++
      else {
        const isAlone = readings.length === 1 && payload instanceof Uint8Array
        refusals.push(refuse(message, fault, isAlone ? payload : reading))
      }
    }
    if (accepted?.length === 0) return this.#commit({ duplicates, refusals })
    const entry =
      accepted === null
        ? entryOf(origin!, receivedAt, readings as readonly Reading[], text, wire)
        : entryOf(origin!, receivedAt, accepted, undefined, wire)
    return this.#commit({ entry, duplicates, refusals })
  }

  /**
   * Judges an entry of the quarantine again: all of it passes and it is released, or nothing changes.
   * Rejects with JournalUnavailable like {@link accept}.
   */
  async retry(entry: Refusal & { readonly id: number }): Promise<RetryOutcome> {
    if (this.#retrying.has(entry.id)) {
      return { released: false, code: 'in_progress', message: 'this entry is being tried already' }
    }
    this.#retrying.add(entry.id)
    try {
      return await this.#tryAgain(entry)
    } finally {
      this.#retrying.delete(entry.id)
    }
  }

  async #tryAgain(entry: Refusal & { readonly id: number }): Promise<RetryOutcome> {
    const { raw, rawSize, receivedAt } = entry
    if (rawSize > raw.length) {
      const message = `only ${raw.length} of ${rawSize} bytes were kept: the device must send it again`
      return { released: false, code: 'cut_off', message }
    }
    const foreign = this.#options.reread?.(raw) ?? null
    if (foreign !== null && 'code' in foreign) return { released: false, ...foreign }
    const device = foreign?.device ?? entry.device ?? ''
    const readings = foreign?.readings ?? readingsIn(raw, raw.length)
    if ('code' in readings) return { released: false, ...readings }
    const origin = this.#options.devices.origin(device)
    // What the historian could not take had been accepted: it bears its stamp, and is its own duplicate.
    const again = entry.code === 'historian_rejected'
    for (const reading of readings) {
      const stamped = again && takeStamp(reading)
      const fault = this.#fault(device, origin, reading, this.#options.clock.now())
      if (fault !== null) return { released: false, ...fault }
      if (stamped) (reading as { clock?: 'gateway' }).clock = 'gateway'
    }
    const accepted: Reading[] = []
    let duplicates = 0
    for (const reading of readings as Reading[]) {
      if (this.#isNew(device, reading, receivedAt) || again) accepted.push(reading)
      else duplicates++
    }
    const outcome = await this.#commit({
      ...(accepted.length > 0 && {
        entry: entryOf(origin!, receivedAt, accepted, undefined, foreign?.wire),
      }),
      duplicates,
      refusals: [],
      released: [entry.id],
    })
    return { released: true, outcome }
  }

  #fault(device: string, origin: Origin | undefined, reading: unknown, now: number): Fault | null {
    if (origin === undefined) {
      return { code: 'unknown_device', message: `device: ${shortName(device)} is not registered` }
    }
    const check = this.#checks.get(origin.kind)
    if (check === undefined) {
      return { code: 'unknown_device', message: `device: its kind ${shortName(origin.kind)} is not known` }
    }
    return check.fault(reading, now)
  }

  /** Stamps a checked reading; false when it is known. */
  #isNew(device: string, reading: Reading, receivedAt: number): boolean {
    stampMissing(reading, receivedAt)
    return reading.clock !== undefined || this.#duplicates.add(device, reading)
  }

  #commit(write: JournalWrite): Promise<Outcome> {
    const { entry, duplicates, refusals } = write
    const outcome = { accepted: entry?.readings.length ?? 0, duplicates, refused: refusals }
    return this.#options.journal.append(write).then(
      () => outcome,
      (error: unknown) => {
        if (entry !== undefined) this.#forget(entry)
        throw error
      },
    )
  }

  #forget({ origin, readings }: JournalEntry): void {
    for (const reading of readings) {
      if (reading.clock === undefined) this.#duplicates.forget(origin.device, reading)
    }
  }
}

/** The text that came where all of it was accepted, so that nothing is written that need not be. */
function entryOf(
  origin: Origin,
  receivedAt: number,
  readings: readonly Reading[],
  text?: Uint8Array,
  wire?: WireFrames,
): JournalEntry {
  const body = text ?? Buffer.from(JSON.stringify(readings))
  return wire === undefined
    ? { origin, receivedAt, body, readings }
    : { origin, receivedAt, body, readings, wire }
}

function refuse(message: Message, fault: Fault, refused: unknown): Refusal {
  return {
    device: message.device.slice(0, NAME_LIMIT),
    ...fault,
    ...rawOf(refused),
    receivedAt: message.receivedAt,
  }
}

function takeStamp(reading: unknown): boolean {
  if (typeof reading !== 'object' || reading === null) return false
  const open = reading as { clock?: unknown }
  if (open.clock !== 'gateway') return false
  delete open.clock
  return true
}

/** Longest id (contract §2); a longer name is nobody's. */
const NAME_LIMIT = 64

function shortName(name: string): string {
  return JSON.stringify(name.slice(0, NAME_LIMIT))
}
