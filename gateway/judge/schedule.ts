/** A binary heap of what is to be done when. Times are those of the gateway's clock, epoch milliseconds. */
export class Schedule<T> {
  readonly #heap: { readonly time: number; readonly what: T }[] = []

  add(time: number, what: T): void {
    const heap = this.#heap
    let at = heap.push({ time, what }) - 1
    while (at > 0) {
      const parent = (at - 1) >> 1
      if (heap[parent]!.time <= time) break
      this.#swap(at, parent)
      at = parent
    }
  }

  /** Takes out the earliest that is due at `now`, with its time; undefined when there is none. */
  take(now: number): { readonly time: number; readonly what: T } | undefined {
    const heap = this.#heap
    const first = heap[0]
    if (first === undefined || first.time > now) return undefined
    const last = heap.pop()!
    if (heap.length === 0) return first
    heap[0] = last
    for (let at = 0; ;) {
      let least = at
      for (const child of [2 * at + 1, 2 * at + 2]) {
        if (child < heap.length && heap[child]!.time < heap[least]!.time) least = child
      }
      if (least === at) return first
      this.#swap(at, least)
      at = least
    }
  }

  #swap(a: number, b: number): void {
    const held = this.#heap[a]!
    this.#heap[a] = this.#heap[b]!
    this.#heap[b] = held
  }
}
