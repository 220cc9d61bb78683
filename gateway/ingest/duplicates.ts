import { randomBytes } from 'node:crypto'
import type { Journal } from '../model/pipeline.ts'
import type { Delivery, Reading } from '../model/reading.ts'

/**
 * Recognises a redelivered reading: same device, device time, metrics, flags and position, whatever the
 * order of the keys. The same time with other metrics is another reading. A reading without a time of its
 * own cannot be recognised: two of them may truly be two.
 *
 * Device and time are compared exactly, the contents by a 64-bit hash, so a false match needs two different
 * readings of one device with one time stamp that meet by chance in 1.8e19.
 *
 * Memory is bounded by two generations: when the young one is full it becomes the old one, and the old one
 * is forgotten. So at least the newest `capacity` readings are known, twice as many at most, in 20 bytes
 * a slot and two slots a reading: about 42 MB when `capacity` is 500,000. Flat arrays, so that a million
 * readings cost the garbage collector nothing.
 */
export class Duplicates {
  readonly #capacity: number
  readonly #devices = new Map<string, Sender>()
  readonly #contents = new ContentHash()
  #young: Generation
  #old: Generation

  constructor(capacity = 500_000) {
    this.#capacity = capacity
    this.#young = new Generation(capacity)
    this.#old = new Generation(capacity)
  }

  /** Notes a reading; true when it is a new one. */
  add(device: string, reading: Reading): boolean {
    const sender = this.#sender(device)
    const { number } = sender
    const { ts } = reading
    this.#contents.take(reading)
    const young = this.#young
    const slot = young.find(number, ts, this.#contents)
    if (young.taken(slot)) return false
    // Far apart in memory, so looking there is what takes longest; later than all that have come is none of them.
    if (ts <= sender.newest && this.#old.taken(this.#old.find(number, ts, this.#contents))) return false
    if (ts > sender.newest) sender.newest = ts
    young.put(slot, number, ts, this.#contents)
    if (young.size >= this.#capacity) {
      this.#young = this.#old
      this.#young.clear()
      this.#old = young
    }
    return true
  }

  /** Takes back what {@link add} noted, when the commit failed: the device will send it again. */
  forget(device: string, reading: Reading): void {
    this.#contents.take(reading)
    for (const generation of [this.#young, this.#old]) {
      generation.remove(generation.find(this.#sender(device).number, reading.ts, this.#contents))
    }
  }

  remember(delivery: Delivery): void {
    for (const reading of delivery.readings) {
      if (reading.clock === undefined) this.add(delivery.origin.device, reading)
    }
  }

  /**
   * Learns the journal's newest readings again after a start: as many as one generation holds, newest first,
   * for `budget` ms at most, since a device that was cut off redelivers within seconds, not hours.
   */
  restore(journal: Pick<Journal, 'head' | 'tail' | 'read'>, budget = 1500): number {
    const deadline = performance.now() + budget
    const stretch = Math.ceil(this.#capacity / 50)
    const oldest = Math.max(journal.tail(), journal.head() - this.#capacity + stretch)
    let end = journal.head()
    while (end > oldest && performance.now() < deadline) {
      const start = Math.max(oldest, end - stretch)
      for (let from = start; from < end;) {
        const { deliveries, next } = journal.read(from, end - from)
        for (const delivery of deliveries) this.remember(delivery)
        if (next <= from) break
        from = next
      }
      end = start
    }
    return this.#young.size
  }

  #sender(device: string): Sender {
    let sender = this.#devices.get(device)
    if (sender === undefined) {
      sender = { number: this.#devices.size + 1, newest: -Infinity }
      this.#devices.set(device, sender)
    }
    return sender
  }
}

interface Sender {
  readonly number: number
  /** Device time of its latest reading that was ever noted, epoch ms. */
  newest: number
}

/**
 * A 64-bit hash of a reading's contents as two words. Every metric is mixed on its own and the results are
 * added, so the order of keys does not matter. Seeded at random, so nobody can prepare a crowd of readings
 * that fall into one slot.
 */
class ContentHash {
  low = 0
  high = 0
  readonly #seed = randomBytes(4).readUInt32LE()
  readonly #salts = new Map<string, number>()
  readonly #number = new Float64Array(1)
  readonly #words = new Uint32Array(this.#number.buffer)

  take(reading: Reading): void {
    this.low = 0
    this.high = 0
    const { metrics, flags, position } = reading
    for (const name in metrics) this.#mix(this.#salt(name), Number(metrics[name]))
    if (flags !== undefined) {
      // A mark N says nothing (contract §2), so with and without it is the same reading.
      for (const name in flags) if (flags[name] !== 'N') this.#mix(this.#salt(`${name} ${flags[name]}`), 1)
    }
    if (position !== undefined) {
      for (let i = 0; i < position.length; i++) this.#mix(this.#seed + i, position[i]!)
    }
  }

  #mix(salt: number, value: number): void {
    // Adding 0 turns -0, which JSON can carry, into 0.
    this.#number[0] = value + 0
    const first = this.#words[0]!
    const second = this.#words[1]!
    let a = Math.imul(first ^ salt, 0x85ebca6b)
    a = Math.imul(a ^ (a >>> 13) ^ second, 0xc2b2ae35)
    this.low = (this.low + (a ^ (a >>> 16))) | 0
    let b = Math.imul(second ^ (salt + 0x9e3779b9), 0x7feb352d)
    b = Math.imul(b ^ (b >>> 15) ^ first, 0x846ca68b)
    this.high = (this.high + (b ^ (b >>> 16))) | 0
  }

  /** FNV-1a of the name, once: metric names are few, a kind's file lists them. */
  #salt(name: string): number {
    let salt = this.#salts.get(name)
    if (salt === undefined) {
      salt = this.#seed
      for (let i = 0; i < name.length; i++) salt = Math.imul(salt ^ name.charCodeAt(i), 0x01000193)
      this.#salts.set(name, salt)
    }
    return salt
  }
}

/** Words of a slot: device number (0: free), time (two words), contents (two words). */
const WIDTH = 5
const WORD = 2 ** 32

/** A set with open addressing and linear probing, never more than half full. */
class Generation {
  size = 0
  readonly #slots: Uint32Array
  readonly #mask: number

  constructor(capacity: number) {
    const slots = 2 ** Math.ceil(Math.log2(capacity * 2))
    this.#mask = slots - 1
    this.#slots = new Uint32Array(slots * WIDTH)
  }

  /** Where the reading is, or where it would go. */
  find(device: number, ts: number, { low, high }: ContentHash): number {
    const slots = this.#slots
    const early = Math.floor(ts / WORD)
    const late = ts >>> 0
    for (let slot = this.#home(device, late, low); ; slot = (slot + 1) & this.#mask) {
      const at = slot * WIDTH
      if (slots[at] === 0) return slot
      if (
        slots[at] === device &&
        slots[at + 1] === early &&
        slots[at + 2] === late &&
        slots[at + 3] === low >>> 0 &&
        slots[at + 4] === high >>> 0
      ) {
        return slot
      }
    }
  }

  taken(slot: number): boolean {
    return this.#slots[slot * WIDTH] !== 0
  }

  put(slot: number, device: number, ts: number, { low, high }: ContentHash): void {
    const at = slot * WIDTH
    const slots = this.#slots
    slots[at] = device
    slots[at + 1] = Math.floor(ts / WORD)
    slots[at + 2] = ts >>> 0
    slots[at + 3] = low
    slots[at + 4] = high
    this.size++
  }

  /** Closes the gap at once, so that probing never needs gravestones, which a failing disk would pile up. */
  remove(slot: number): void {
    if (!this.taken(slot)) return
    const slots = this.#slots
    let gap = slot
    for (let next = (gap + 1) & this.#mask; this.taken(next); next = (next + 1) & this.#mask) {
      const at = next * WIDTH
      const home = this.#home(slots[at]!, slots[at + 2]!, slots[at + 3]!)
      // An entry may move back into the gap only if that is not before its home slot.
      if (((next - home) & this.#mask) >= ((next - gap) & this.#mask)) {
        slots.copyWithin(gap * WIDTH, at, at + WIDTH)
        gap = next
      }
    }
    slots.fill(0, gap * WIDTH, (gap + 1) * WIDTH)
    this.size--
  }

  clear(): void {
    this.#slots.fill(0)
    this.size = 0
  }

  #home(device: number, late: number, low: number): number {
    const mixed = Math.imul(low ^ Math.imul(device, 0x9e3779b1) ^ Math.imul(late, 0x85ebca77), 0xc2b2ae3d)
    return (mixed ^ (mixed >>> 15)) & this.#mask
  }
}
