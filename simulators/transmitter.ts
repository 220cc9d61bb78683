import type { SimulatedDevice } from './district.ts'
import { milliseconds } from './duration.ts'
import { activeOf, type Fault, skewOf } from './faults.ts'
import { hostilePayload } from './hostile.ts'
import { MINUTE } from './devices/model.ts'
import type { Reading } from './reading.ts'

/** What a device sends at a moment, ms since the run began: a reading, or bytes that are none. */
export type Sending = { readonly at: number } & ({ readonly reading: Reading } | { readonly hostile: string })

/** Duplicates come again within this time. */
const AGAIN_WITHIN = MINUTE

/**
 * A device's side of the wire: what it measures on its beat, and what its faults make of the sending. Asked from the
 * beginning on, step by step, it always gives the same; how long the steps are makes no difference.
 */
export class Transmitter {
  readonly #device: SimulatedDevice
  readonly #epoch: number
  /** Made, and not due yet; in the order of sending. */
  #waiting: Sending[] = []
  #beat: number
  #beats = 0

  /** `epoch` is when the run began by a right clock, epoch ms. */
  constructor(device: SimulatedDevice, from: number, epoch: number) {
    this.#device = device
    this.#epoch = epoch
    this.#beat = device.beatFrom(from)
  }

  /** Nothing is sent before this moment. */
  get next(): number {
    return Math.min(this.#beat, this.#waiting[0]?.at ?? Infinity)
  }

  /** Everything that is sent before `end`, in order. */
  take(end: number): Sending[] {
    while (this.#beat < end) {
      this.#onBeat(this.#beat)
      this.#beat = this.#device.beatFrom(this.#beat + 1)
    }
    const due = this.#waiting.findIndex(({ at }) => at >= end)
    return this.#waiting.splice(0, due < 0 ? this.#waiting.length : due)
  }

  #onBeat(beat: number): void {
    const { faults, chance } = this.#device
    const number = this.#beats++
    const hostile = activeOf(faults, 'hostile', beat)
    if (hostile !== undefined && isTimeFor(milliseconds(hostile.every), this.#device, beat))
      this.#add({ at: beat, hostile: hostilePayload(chance, number, this.#epoch + beat) })
    const offline = activeOf(faults, 'offline', beat)
    if (offline?.backlog === false) return
    const ts = this.#epoch + beat + skewOf(faults, beat)
    const reading = { ts, ...this.#device.measure(beat) }
    const late = lateness(faults, beat, chance.at('shuffle', beat))
    const at = Math.max(beat + late, offline?.to ?? 0)
    this.#add({ at, reading })
    const duplicates = activeOf(faults, 'duplicates', beat)
    if (duplicates !== undefined && chance.at('duplicate', beat) < duplicates.share)
      this.#add({ at: at + Math.floor(AGAIN_WITHIN * chance.at('again', beat)), reading })
  }

  #add(sending: Sending): void {
    const after = this.#waiting.findLastIndex(({ at }) => at <= sending.at)
    this.#waiting.splice(after + 1, 0, sending)
  }
}

function lateness(faults: readonly Fault[], at: number, chance: number): number {
  const shuffle = activeOf(faults, 'shuffle', at)
  return shuffle === undefined ? 0 : Math.floor(milliseconds(shuffle.by) * chance)
}

/** Whether this is the first beat of a new stretch of that length. */
function isTimeFor(every: number, device: SimulatedDevice, beat: number): boolean {
  return device.beatFrom(Math.floor(beat / every) * every) === beat
}
