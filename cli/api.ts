/** The gateway answered, and the answer was no. */
export class Refused extends Error {
  override readonly name = 'Refused'
  readonly status: number

  constructor(status: number, body: unknown) {
    const { title, detail } = (body ?? {}) as { title?: unknown; detail?: unknown }
    const text = [title, detail].filter((part) => typeof part === 'string').join(': ')
    super(text === '' ? `the gateway answered ${status}` : `${text} (${status})`)
    this.status = status
  }
}

const TIMEOUT = 30_000

/** The gateway's HTTP interface, with a token. */
export class Api {
  readonly #url: string
  readonly #token: string

  constructor(url: string, token: string) {
    this.#url = url
    this.#token = token
  }

  async get(path: string): Promise<unknown> {
    return await this.#send('GET', path)
  }

  /** What is no JSON: a spreadsheet, a page. */
  async text(path: string): Promise<string> {
    const response = await this.#request('GET', path)
    if (!response.ok) throw new Refused(response.status, await response.json().catch(() => null))
    // `text()` would take away the byte order mark that spreadsheets need.
    return Buffer.from(await response.arrayBuffer()).toString('utf8')
  }

  async post(path: string, body: unknown): Promise<unknown> {
    return await this.#send('POST', path, body)
  }

  async delete(path: string): Promise<unknown> {
    return await this.#send('DELETE', path)
  }

  /** Every item of a paged list. */
  async *list(path: string): AsyncGenerator<Record<string, unknown>> {
    const join = path.includes('?') ? '&' : '?'
    let cursor: string | undefined
    do {
      const from = cursor === undefined ? '' : `${join}cursor=${encodeURIComponent(cursor)}`
      const page = (await this.get(`${path}${from}`)) as { items: Record<string, unknown>[]; cursor?: string }
      yield* page.items
      cursor = page.cursor
    } while (cursor !== undefined)
  }

  async #send(method: string, path: string, body?: unknown): Promise<unknown> {
    const response = await this.#request(method, path, body)
    const answer: unknown = await response.json().catch(() => null)
    if (!response.ok) throw new Refused(response.status, answer)
    return answer
  }

  async #request(method: string, path: string, body?: unknown): Promise<Response> {
    try {
      return await fetch(new URL(path, this.#url), {
        method,
        headers: {
          authorization: `Bearer ${this.#token}`,
          ...(body !== undefined && { 'content-type': 'application/json' }),
        },
        ...(body !== undefined && { body: JSON.stringify(body) }),
        signal: AbortSignal.timeout(TIMEOUT),
      })
    } catch (error) {
      throw new Error(`cannot reach ${this.#url}`, { cause: error })
    }
  }
}
