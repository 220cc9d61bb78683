/** `npm run demo` as a newcomer sees it: a district of sensors, a case within a minute, Ctrl-C. */
import { afterAll, beforeAll, expect, test } from 'vitest'
import { all, ledgerOf } from '../device.ts'
import { eventually, GatewayProcess } from '../gateway-process.ts'

/** What README and welcome promise, ms. */
const MINUTE = 60_000
/** Contract §1. */
const DRAIN_LIMIT_MS = 10_000

let demo: GatewayProcess
beforeAll(async () => {
  demo = new GatewayProcess({}, ['demo'])
  await demo.start()
})
afterAll(() => demo.dispose())

interface Device {
  id: string
  kind: string
  last: object | null
  presence: { online: boolean } | null
}
interface CaseItem {
  id: string
  category: string
  state: string
  street: string
  team: string
  alarms: string[]
}

test(
  'within a minute sensors of all sorts report, a kitchen over the limit is in the queue, and Ctrl-C ends it',
  { timeout: 2 * MINUTE },
  async () => {
    const ready = Date.now()
    const left = () => MINUTE - (Date.now() - ready)
    // The link that it prints opens the console, and the token in it signs in.
    const link = await eventually('a link', () => /http:\/\/127\S+/.exec(demo.log)?.[0])
    const { origin, port, hash } = new URL(link)
    expect(Number(port)).toBe(demo.ports.http)
    const page = await fetch(origin)
    expect(page.status).toBe(200)
    expect(page.headers.get('content-type')).toMatch('text/html')
    const token = new URLSearchParams(hash.slice(1)).get('token')!
    expect((await demo.request('GET', '/api/v1/ledger', undefined, token)).status).toBe(200)

    const reporting = await eventually(
      'readings of 150 devices',
      async () => {
        const devices = (await all<Device>(demo, '/api/v1/devices')).filter(({ last }) => last !== null)
        return devices.length >= 150 ? devices : undefined
      },
      left(),
    )
    expect(new Set(reporting.map(({ kind }) => kind))).toEqual(
      new Set(['cooking_fume', 'drone', 'river_station', 'water_level']),
    )
    expect(reporting.filter(({ presence }) => presence?.online === true).length).toBe(reporting.length)

    const found = await eventually(
      'the case of the kitchen',
      async () =>
        (await all<CaseItem>(demo, '/api/v1/cases')).find(({ category }) => category === 'cooking-fume'),
      left(),
    )
    expect(found).toMatchObject({ state: 'dispatched', team: expect.any(String) })
    const alarm = await demo.api<{ rule: string; state: string; case: string }>(
      'GET',
      `/api/v1/alarms/${encodeURIComponent(found.alarms[0]!)}`,
    )
    expect(alarm).toMatchObject({ rule: 'fume-over-limit', state: 'firing', case: found.id })

    const { received, accepted, duplicates, quarantined, stored, pending } = await ledgerOf(demo)
    expect(received).toBe(accepted + duplicates + quarantined)
    expect(accepted).toBe(stored + pending)
    expect(quarantined).toBe(0)

    const began = performance.now()
    expect(await demo.end('SIGINT')).toBe(0)
    expect(performance.now() - began).toBeLessThan(DRAIN_LIMIT_MS)
    expect(demo.log).not.toMatch(/has stopped|failed|"level":[56]0/)
  },
)
