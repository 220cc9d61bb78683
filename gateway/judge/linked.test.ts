import { cpSync } from 'node:fs'
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import type { Device } from '../model/device.ts'
import { Court, directory, MINUTE, newFolder, originOf, rule, START, type Recorded } from './judge.fixture.ts'

const BETWEEN = rule({
  red: {
    all: [
      { metric: 'x', above: 5 },
      { of: 'upstream', metric: 'x', below: 5 },
    ],
  },
})
const LIMITED = rule({ red: { metric: 'x', above: '$limit' } }, { id: 'limited' })

let folders: ReturnType<typeof newFolder>[]
let courts: Court[]
beforeEach(() => {
  folders = []
  courts = []
})
afterEach(async () => {
  for (const court of courts) await court.stop()
  for (const folder of folders) folder.remove()
})

/** Devices whose attributes may be changed. */
class Registry {
  readonly #devices = new Map<string, Device>()
  readonly directory = directory((id) => this.#devices.get(id), ['d', 'u', 'v'])

  constructor(attributes: Record<string, Device['attributes'] & object>) {
    for (const [id, its] of Object.entries(attributes)) this.put(id, its)
  }

  put(id: string, attributes: Device['attributes'] & object): void {
    const { device: _, ...origin } = originOf(id)
    this.#devices.set(id, { id, ...origin, attributes })
  }
}

async function open(rules: readonly (typeof BETWEEN)[], registry: Registry): Promise<Court> {
  const folder = newFolder()
  folders.push(folder)
  return start(folder.path, rules, registry)
}

async function start(path: string, rules: readonly (typeof BETWEEN)[], registry: Registry): Promise<Court> {
  const court = new Court(path, rules, { devices: registry.directory })
  courts.push(court)
  await court.start()
  return court
}

/** Another court over a copy of the files, as after kill -9. */
async function crash(court: Court, rules: readonly (typeof BETWEEN)[], registry: Registry): Promise<Court> {
  const from = folders.at(-1)!
  const folder = newFolder()
  folders.push(folder)
  cpSync(from.path, folder.path, { recursive: true })
  const again = await start(folder.path, rules, registry)
  again.now = court.now
  await judged(again)
  return again
}

const soon = (check: () => void) => vi.waitFor(check, { interval: 5, timeout: 10_000 })

async function judged(court: Court): Promise<void> {
  await soon(() => expect(court.judge.health()).toEqual({ ready: true, detail: 'in step' }))
  await soon(() => expect(court.judge.lag()).toBe(0))
}

const story = ({ device, rule, state, startedAt, clearedAt }: Recorded) => [
  device,
  rule,
  state,
  (startedAt - START) / MINUTE,
  clearedAt === null ? null : (clearedAt - START) / MINUTE,
]

describe('rules that look at another device', () => {
  const registry = () => new Registry({ d: { upstream: 'u' }, u: {}, v: {} })

  test('its reading raises the alarm of the device that looks at it', async () => {
    const court = await open([BETWEEN], registry())
    await court.at(0, { x: 9 })
    await court.at(1, { x: 3 }, originOf('u'))
    await soon(() => expect(court.book.all().map(story)).toEqual([['d', 'r', 'firing', 1, null]]))
    await court.at(2, { x: 6 }, originOf('u'))
    await soon(() => expect(court.book.all().map(story)).toEqual([['d', 'r', 'cleared', 1, 2]]))
  })

  test('what it said before the device ever spoke is known', async () => {
    const court = await open([BETWEEN], registry())
    await court.at(0, { x: 3 }, originOf('u'))
    await court.at(1, { x: 9 })
    await soon(() => expect(court.book.all().map(story)).toEqual([['d', 'r', 'firing', 1, null]]))
  })

  test('a crash forgets nothing of either', async () => {
    const devices = registry()
    const court = await open([BETWEEN], devices)
    await court.at(0, { x: 3 }, originOf('u'))
    await judged(court)
    const again = await crash(court, [BETWEEN], devices)
    await again.at(1, { x: 9 })
    await soon(() => expect(again.book.all().map(story)).toEqual([['d', 'r', 'firing', 1, null]]))
  })

  test('when the device moves below another one, that one counts from then on', async () => {
    const devices = registry()
    const court = await open([BETWEEN], devices)
    await court.at(0, { x: 9 })
    await judged(court)
    devices.put('d', { upstream: 'v' })
    court.judge.heed('d')
    await court.at(1, { x: 3 }, originOf('u'))
    await judged(court)
    expect(court.book.all()).toEqual([])
    await court.at(2, { x: 3 }, originOf('v'))
    await soon(() => expect(court.book.all().map(story)).toEqual([['d', 'r', 'firing', 2, null]]))
  })

  test('a device that is no more has no alarm about the other left', async () => {
    const court = await open([BETWEEN], registry())
    await court.at(0, { x: 9 })
    await court.at(1, { x: 3 }, originOf('u'))
    await soon(() => expect(court.book.all()).toHaveLength(1))
    court.judge.forget('d')
    await soon(() => expect(court.book.all()).toMatchObject([{ state: 'cleared', reason: 'device_removed' }]))
  })
})

describe('attributes as thresholds', () => {
  test('follow the device from the next reading on', async () => {
    const devices = new Registry({ d: { limit: 5 } })
    const court = await open([LIMITED], devices)
    await court.at(0, { x: 6 })
    await soon(() => expect(court.book.all()).toHaveLength(1))
    devices.put('d', { limit: 10 })
    court.judge.heed('d')
    expect(court.book.all()).toMatchObject([{ state: 'firing' }])
    await court.at(1, { x: 6 })
    await soon(() => expect(court.book.all().map(story)).toEqual([['d', 'limited', 'cleared', 0, 1]]))
  })

  test('after a crash the readings before the change are judged by what was in force then', async () => {
    const devices = new Registry({ d: { limit: 5 } })
    const court = await open([LIMITED], devices)
    await court.at(0, { x: 6 })
    await court.at(1, { x: 4 })
    await court.at(2, { x: 8 })
    await judged(court)
    devices.put('d', { limit: 7 })
    court.judge.heed('d')
    await court.at(3, { x: 6 })
    await judged(court)
    const before = court.book.all()
    expect(before.map(story)).toEqual([
      ['d', 'limited', 'cleared', 0, 1],
      ['d', 'limited', 'cleared', 2, 3],
    ])
    const again = await crash(court, [LIMITED], devices)
    expect(again.book.all()).toEqual(before)
  })

  test('a change while the gateway was down counts from its start', async () => {
    const devices = new Registry({ d: { limit: 5 } })
    const court = await open([LIMITED], devices)
    await court.at(0, { x: 4 })
    await judged(court)
    await court.judge.stop()
    devices.put('d', { limit: 3 })
    await court.newJudge([LIMITED]).start()
    await judged(court)
    expect(court.book.all()).toEqual([])
    await court.at(1, { x: 4 })
    await soon(() => expect(court.book.all().map(story)).toEqual([['d', 'limited', 'firing', 1, null]]))
  })

  test('a device that has none is never over it', async () => {
    const court = await open([LIMITED], new Registry({ d: {} }))
    await court.at(0, { x: 1e9 })
    await judged(court)
    expect(court.book.all()).toEqual([])
  })
})
