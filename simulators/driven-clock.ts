import { WrongUsage } from './wrong-usage.ts'

const TIMEOUT = 60_000

/** The clock of a gateway that runs with `clock: driven`; moving it waits for all that falls due. */
export class DrivenClock {
  readonly #url: URL
  readonly #token: string

  constructor({ httpUrl, token }: { readonly httpUrl: string; readonly token: string }) {
    this.#url = new URL('/api/v1/clock', httpUrl)
    this.#token = token
  }

  /** Epoch ms. */
  async moveTo(now: number): Promise<void> {
    const response = await fetch(this.#url, {
      method: 'PUT',
      headers: { authorization: `Bearer ${this.#token}`, 'content-type': 'application/json' },
      body: JSON.stringify({ now }),
      signal: AbortSignal.timeout(TIMEOUT),
    })
    const answer = await response.text()
    if (response.ok) return
    if (response.status === 404)
      throw new WrongUsage(
        'the gateway keeps its own time; start it with GW_CLOCK=driven, on data of its own',
      )
    if (response.status === 409)
      throw new WrongUsage(
        `the gateway's clock is past ${new Date(now).toISOString()}; give the run a new one`,
      )
    throw new Error(`the gateway's clock could not be moved (${response.status}): ${answer.slice(0, 200)}`)
  }
}
