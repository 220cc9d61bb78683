/** A reader of server-sent events for tests, over a real connection. */
export interface SentEvent {
  readonly id: string
  readonly type: string
  readonly data: unknown
}

export class EventReader {
  readonly events: SentEvent[] = []
  /** The id that a browser would send when it comes back. */
  lastId = ''
  ended = false
  readonly #abort = new AbortController()
  readonly #waiting = new Set<() => void>()

  /** Resolves once the stream is open. */
  async open(url: string, headers: Record<string, string>): Promise<Response> {
    const response = await fetch(url, { headers, signal: this.#abort.signal })
    void this.#read(response).catch(() => {
      this.ended = true
      this.#wake()
    })
    return response
  }

  close(): void {
    this.#abort.abort()
  }

  /** The first event that fits, however long ago it came; rejects when the stream ends first. */
  async find(fits: (event: SentEvent) => boolean): Promise<SentEvent> {
    for (;;) {
      const found = this.events.find(fits)
      if (found !== undefined) return found
      if (this.ended) throw new Error('the stream ended')
      await new Promise<void>((resolve) => this.#waiting.add(resolve))
    }
  }

  async end(): Promise<void> {
    while (!this.ended) await new Promise<void>((resolve) => this.#waiting.add(resolve))
  }

  async #read(response: Response): Promise<void> {
    let rest = ''
    for await (const chunk of response.body!.pipeThrough(new TextDecoderStream())) {
      const blocks = (rest + chunk).split('\n\n')
      rest = blocks.pop()!
      for (const block of blocks) this.#take(block)
      this.#wake()
    }
    this.ended = true
    this.#wake()
  }

  #take(block: string): void {
    const fields = new Map(
      block.split('\n').map((line) => [line.split(': ', 1)[0]!, line.slice(line.indexOf(': ') + 2)]),
    )
    this.lastId = fields.get('id') ?? this.lastId
    const data = fields.get('data')
    if (data !== undefined)
      this.events.push({ id: this.lastId, type: fields.get('event')!, data: JSON.parse(data) })
  }

  #wake(): void {
    for (const resolve of this.#waiting) resolve()
    this.#waiting.clear()
  }
}
