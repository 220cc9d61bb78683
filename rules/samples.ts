/**
 * A queue of records of some numbers each, in one flat array: what a window remembers. Nothing is allocated
 * but when it grows.
 */
export class Samples {
  data: Float64Array
  /** Offsets of the oldest record and behind the newest. */
  first = 0
  end = 0
  readonly stride: number

  constructor(stride: number) {
    this.stride = stride
    this.data = new Float64Array(8 * stride)
  }

  get isEmpty(): boolean {
    return this.first === this.end
  }

  /** Offset of a new record behind the newest, to be filled. */
  append(): number {
    if (this.end === this.data.length) this.#makeRoom()
    const at = this.end
    this.end += this.stride
    return at
  }

  copyFrom(other: Samples): void {
    const length = other.end - other.first
    if (length === 0) {
      this.first = this.end = 0
      return
    }
    if (this.data.length < length) this.data = new Float64Array(other.data.length)
    this.data.set(other.data.subarray(other.first, other.end))
    this.first = 0
    this.end = length
  }

  /** Oldest first. */
  toArray(): number[] {
    return Array.from(this.data.subarray(this.first, this.end))
  }

  restore(numbers: readonly number[]): void {
    this.data = new Float64Array(Math.max(8 * this.stride, numbers.length))
    this.data.set(numbers)
    this.first = 0
    this.end = numbers.length
  }

  /** Moves the records to the front when that frees half of the room, else doubles it. */
  #makeRoom(): void {
    const live = this.end - this.first
    const data = live * 2 <= this.data.length ? this.data : new Float64Array(this.data.length * 2)
    data.set(this.data.subarray(this.first, this.end))
    this.data = data
    this.first = 0
    this.end = live
  }
}
