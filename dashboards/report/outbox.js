import { call, Problem } from './api.js'
import { forget, keep, kept, remember } from './store.js'

/** Waits between tries, ms: the last one for ever. */
const WAITS = [2000, 4000, 8000, 15_000, 30_000, 60_000]
const PHOTO_TIMEOUT = 120_000

/** Made up once for each report, so that one sent twice is one. */
export function newClient() {
  // Not randomUUID: it is for secure contexts only, and a street may run this in its own network.
  const bytes = crypto.getRandomValues(new Uint8Array(16))
  return [...bytes].map((byte) => byte.toString(16).padStart(2, '0')).join('')
}

/**
 * Sends reports: the words first, for they are small and bring the number, then photo after photo, each until it has
 * arrived. What the gateway does not want is told and not tried again.
 *
 * An item: `{client, place, at, title, body, photos: Blob[], ticket: string | null, sent: number, lost: number}`.
 */
export class Outbox {
  #told
  #items = []
  #running = false
  #tries = 0
  #timer = 0

  /** @param {(state: {item: any, waiting: boolean, problem: Problem | null, done: boolean}) => void} told */
  constructor(told) {
    this.#told = told
    addEventListener('online', () => this.#now())
    document.addEventListener('visibilitychange', () => {
      if (document.visibilityState === 'visible') this.#now()
    })
  }

  /** Goes on with what an earlier visit has left. */
  async resume() {
    this.#items.push(...(await kept()))
    void this.#run()
  }

  async add(item) {
    this.#items.push(item)
    await keep(item)
    this.#now()
  }

  /** @param {string} client */
  async giveUp(client) {
    this.#items = this.#items.filter((item) => item.client !== client)
    await forget(client)
  }

  #now() {
    clearTimeout(this.#timer)
    this.#tries = 0
    void this.#run()
  }

  async #run() {
    if (this.#running) return
    this.#running = true
    try {
      while (this.#items.length > 0) {
        const item = this.#items[0]
        this.#told({ item, waiting: false, problem: null, done: false })
        try {
          await this.#send(item)
          await this.giveUp(item.client)
          this.#tries = 0
          this.#told({ item, waiting: false, problem: null, done: true })
        } catch (error) {
          const problem = error instanceof Problem ? error : new Problem('internal', 400)
          if (!problem.mayPass) {
            await this.giveUp(item.client)
            this.#told({ item, waiting: false, problem, done: true })
            continue
          }
          this.#told({ item, waiting: true, problem, done: false })
          const wait = WAITS[Math.min(this.#tries++, WAITS.length - 1)]
          this.#timer = setTimeout(() => void this.#run(), wait)
          return
        }
      }
    } finally {
      this.#running = false
    }
  }

  async #send(item) {
    if (item.ticket === null) {
      const { ticket } = await call('POST', '/reports', {
        place: item.place,
        client: item.client,
        ...item.body,
      })
      item.ticket = ticket
      remember(ticket, item.title)
      await keep(item)
      this.#told({ item, waiting: false, problem: null, done: false })
    }
    const path = `/tickets/${encodeURIComponent(item.ticket)}/photos`
    while (item.photos.length > 0) {
      try {
        await call('POST', path, item.photos[0], PHOTO_TIMEOUT)
        item.sent++
      } catch (error) {
        if (!(error instanceof Problem) || error.mayPass) throw error
        // This photo is not wanted; the report stands without it.
        item.lost++
      }
      item.photos.shift()
      await keep(item)
      this.#told({ item, waiting: false, problem: null, done: false })
    }
  }
}
