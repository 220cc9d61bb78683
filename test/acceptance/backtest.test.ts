/**
 * Live = back-test (invariant 4): the present rules over the recorded history give the alarms that stand live,
 * byte for byte, whatever came late, twice, marked or stale, and whatever was killed meanwhile.
 */
import { fileURLToPath } from 'node:url'
import { uniformFloat64 } from 'pure-rand/distribution/uniformFloat64'
import { uniformInt } from 'pure-rand/distribution/uniformInt'
import { xoroshiro128plus } from 'pure-rand/generator/xoroshiro128plus'
import { afterEach, describe, expect, test } from 'vitest'
import { gridwhistle } from '../command.ts'
import { all, ledgerOf, register, signIn } from '../device.ts'
import { eventually, GatewayProcess } from '../gateway-process.ts'
import { hasInfluxd, Influxd } from '../services/influxd.ts'

const rules = fileURLToPath(new URL('backtest-rules', import.meta.url))
const rulesFile = fileURLToPath(new URL('backtest-rules/story.yaml', import.meta.url))
const MINUTE = 60_000
const HOUR = 60 * MINUTE

const cleanups: (() => unknown)[] = []
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).toReversed()) await cleanup()
})

interface Reading {
  ts: number
  metrics: Record<string, number | boolean>
  flags?: Record<string, string>
}
type Alarm = Record<string, unknown> & { id: string; state: string; stale?: true }
interface Answer {
  readings: number
  late: number
  alarms: Alarm[]
  difference: { same: number; onlyBefore: unknown[]; onlyAfter: unknown[]; different: unknown[] }
}

/** Alarms as canonical lines: keys and lines in order, the case left out. */
function linesOf(alarms: readonly Alarm[]): string[] {
  return alarms
    .filter(({ state }) => state !== 'withdrawn')
    .map((alarm) => {
      const keys = Object.keys(alarm).filter((key) => key !== 'case')
      return JSON.stringify(alarm, keys.sort())
    })
    .sort()
}

/** The day of a kitchen or a gauge, in messages as they are sent: some late, doubled, marked, unless it is tidy. */
function messagesOf(id: string, begin: number, end: number, seed: number, isTidy = false): Reading[][] {
  const random = xoroshiro128plus(seed)
  const chance = (percent: number) => uniformInt(random, 1, 100) <= percent
  const messages: Reading[][] = []
  const waiting: { after: number; reading: Reading }[] = []
  let ts = begin
  for (let step = 0; ts < end; step++) {
    ts += uniformInt(random, 5_000, chance(3) ? 5 * MINUTE : 40_000)
    const wave = 3.4 + 2 * Math.sin(step / 9) + uniformFloat64(random)
    const reading: Reading = id.startsWith('gauge')
      ? { ts, metrics: { level: wave, ...(chance(30) ? { rainfall: 2 } : {}) } }
      : { ts, metrics: { fume: wave, ...(chance(50) ? { fan: chance(80) } : {}) } }
    if (chance(8)) reading.flags = { [Object.keys(reading.metrics)[0]!]: 'MDSC'[step % 4]! }
    if (isTidy) {
      messages.push([reading])
      continue
    }
    // Within the bound, or beyond it: a reading a step, some 20 s.
    if (chance(8)) waiting.push({ after: step + uniformInt(random, 1, 6), reading })
    else if (chance(4)) waiting.push({ after: step + uniformInt(random, 30, 40), reading })
    else messages.push([reading])
    for (const late of waiting.filter(({ after }) => after <= step)) {
      messages.push([late.reading])
      waiting.splice(waiting.indexOf(late), 1)
    }
    if (chance(10) && messages.length > 0) messages.push(messages.at(-1)!)
    if (chance(10)) messages.push(messages.splice(-3).flat())
  }
  return messages
}

const stores = hasInfluxd ? (['embedded', 'influx1'] as const) : (['embedded'] as const)
describe.for(stores)('%s', (type) => {
  test('live = back-test, after a crash and a restart too', { timeout: 60_000 }, async () => {
    const environment: Record<string, string> = { GW_RULES_DIR: rules, GW_HISTORIAN_TYPE: type }
    if (type === 'influx1') {
      const influxd = await Influxd.launch()
      cleanups.push(() => influxd.dispose())
      environment['GW_HISTORIAN_URL'] = influxd.url
    }
    const gateway = new GatewayProcess(environment)
    cleanups.push(() => gateway.dispose())
    await gateway.start()

    const now = Date.now()
    const stories = [
      { id: 'kitchen-1', kind: 'cooking_fume', begin: now - 55 * MINUTE, seed: 1 },
      { id: 'kitchen-2', kind: 'cooking_fume', begin: now - 50 * MINUTE, seed: 2 },
      // A backlog of hours: what it raises is stale until it has caught up.
      { id: 'kitchen-3', kind: 'cooking_fume', begin: now - 2 * HOUR, seed: 3 },
      { id: 'gauge-1', kind: 'water_level', begin: now - 90 * MINUTE, seed: 4 },
    ].map(({ id, kind, begin, seed }) => ({ id, kind, messages: messagesOf(id, begin, now, seed) }))
    // Two gauges that are seen together; whose readings came first is known to the millisecond only.
    const pair = ['gauge-2', 'gauge-3'].map((id, index) => ({
      id,
      messages: messagesOf(id, now - 60 * MINUTE, now - 5 * MINUTE, 5 + index, true),
    }))
    const secrets = new Map<string, string>()
    for (const { id, kind } of stories) secrets.set(id, await register(gateway, { id, kind }))
    for (const { id } of pair) {
      const attributes = { upstream: 'gauge-2', limit: 4.2 }
      secrets.set(id, await register(gateway, { id, kind: 'water_level', attributes }))
    }

    const publish = async (
      { id, messages }: (typeof stories)[number],
      [from, to]: readonly [number, number],
    ) => {
      const client = await signIn(gateway, id, secrets.get(id)!)
      for (const message of messages.slice(messages.length * from, messages.length * to)) {
        const payload = JSON.stringify(message.length === 1 ? message[0] : message)
        await client.publishAsync(`v1/${id}/readings`, payload, { qos: 1 })
      }
      client.end(true)
    }
    const publishPair = async (from: number, to: number) => {
      const clients = new Map<string, Awaited<ReturnType<typeof signIn>>>()
      for (const { id } of pair) clients.set(id, await signIn(gateway, id, secrets.get(id)!))
      const all = pair.flatMap(({ id, messages }) => messages.flat().map((reading) => ({ id, reading })))
      all.sort((a, b) => a.reading.ts - b.reading.ts)
      for (const { id, reading } of all.slice(all.length * from, all.length * to))
        await clients.get(id)!.publishAsync(`v1/${id}/readings`, JSON.stringify(reading), { qos: 1 })
      for (const client of clients.values()) client.end(true)
    }
    await Promise.all([...stories.map((story) => publish(story, [0, 0.5])), publishPair(0, 0.5)])
    await gateway.end('SIGKILL')
    await gateway.start()
    await Promise.all([...stories.map((story) => publish(story, [0.5, 1])), publishPair(0.5, 1)])
    await eventually('everything stored', async () =>
      (await ledgerOf(gateway)).pending === 0 ? true : undefined,
    )

    // The last readings may be some minutes ahead of the clock.
    const options = ['--from', String(now - 4 * HOUR), '--to', String(now + HOUR), '--json']
    const backTest = async (): Promise<Answer> => {
      const { code, out, err } = await gridwhistle(['rules', 'backtest', rulesFile, ...options], {
        env: gateway.environment,
      })
      expect([code, err]).toEqual([0, ''])
      return JSON.parse(out) as Answer
    }
    const answer = await backTest()
    const again = linesOf(answer.alarms)
    const live = await eventually(
      'the alarms that stand',
      async () => {
        const lines = linesOf(await all<Alarm>(gateway, '/api/v1/alarms'))
        return lines.join('\n') === again.join('\n') ? lines : undefined
      },
      5000,
    ).catch(async () => linesOf(await all<Alarm>(gateway, '/api/v1/alarms')))
    expect(again).toEqual(live)

    // It was worth telling: alarms of each rule, stale ones, late readings.
    const ofRule = Map.groupBy(answer.alarms, (alarm) => alarm['rule'])
    expect([...ofRule].filter(([, alarms]) => alarms.length > 2)).toHaveLength(6)
    expect(answer.alarms.filter(({ stale }) => stale).length).toBeGreaterThan(5)
    expect(answer.late).toBeGreaterThan(5)
    expect(answer.difference).toMatchObject({
      same: live.length,
      onlyBefore: [],
      onlyAfter: [],
      different: [],
    })

    const mistyped = await gridwhistle(['rules', 'backtest', rulesFile, '--devices', 'nobody'], {
      env: gateway.environment,
    })
    expect(mistyped).toMatchObject({ code: 2, out: '' })
    expect(mistyped.err).toContain('nothing that these rules look at is stored of nobody')

    // Over HTTP by the rules in force; and without the gateway too.
    const span = { from: now - 4 * HOUR, to: now + HOUR }
    const asked = await gateway.api<Answer>('POST', '/api/v1/rules/backtest', span)
    expect(linesOf(asked.alarms)).toEqual(live)
    await gateway.end('SIGTERM')
    expect(linesOf((await backTest()).alarms)).toEqual(live)
  })
})
