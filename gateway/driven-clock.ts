import type { Config } from './config.ts'
import type { Clock } from './model/clock.ts'

/** Where it stands at first: long before the devices of any run, so that a run only ever moves it on. */
const BEGINS = Date.UTC(2000, 0, 1)

/**
 * A clock for tests that stands still until somebody with every right moves it on (`clock: driven`): so a month of a
 * district goes through the gateway in minutes, judged and dispatched as if it had lasted a month. One that anybody
 * could move would open or close cases at will, hence {@link offLoopback}.
 */
export class DrivenClock implements Clock {
  #now = BEGINS

  now(): number {
    return this.#now
  }

  /** False when that is in its past: time does not run backwards for those who wait. */
  moveTo(instant: number): boolean {
    if (instant < this.#now) return false
    this.#now = instant
    return true
  }
}

/** The first address that other machines can reach; undefined when there is none. */
export function offLoopback(config: Config): { readonly key: string; readonly host: string } | undefined {
  const hosts = [
    { key: 'host', host: config.host },
    { key: 'mqtt.host', host: config.mqtt.host },
    { key: 'ws.host', host: config.ws.host },
    { key: 'http.host', host: config.http.host },
    { key: 'hj212.host', host: config.hj212?.host },
  ]
  for (const { key, host } of hosts) if (host !== undefined && !isLoopback(host)) return { key, host }
  return undefined
}

function isLoopback(host: string): boolean {
  return host === 'localhost' || host === '::1' || /^127(\.\d{1,3}){3}$/.test(host)
}
