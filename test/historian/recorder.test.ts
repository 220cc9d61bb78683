import { execFileSync } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import type { Config } from '../../gateway/config.ts'
import { historianConsumer } from '../../gateway/historian/historian.ts'
import { HistorianUnavailable, Recorder, type RecorderParts } from '../../gateway/historian/recorder.ts'
import { SqliteJournal } from '../../gateway/journal/journal.ts'
import { systemClock } from '../../gateway/model/clock.ts'
import type { AlarmChange, Query } from '../../gateway/model/pipeline.ts'
import type { Origin, Reading, Refusal } from '../../gateway/model/reading.ts'
import { hasInfluxd, Influxd } from '../services/influxd.ts'
import { originOf, settings, silent } from './stores.fixture.ts'

const T = 1_718_000_000_000
const fume = originOf('fume-1', 'cooking_fume')
const everything: Query = {
  device: 'fume-1',
  kind: 'cooking_fume',
  metric: 'fume',
  from: 0,
  to: T * 2,
  limit: 100_000,
}

let dir: string
let journal: SqliteJournal
let recorders: Recorder[]

beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'gridwhistle-recorder-'))
  recorders = []
})
afterEach(async () => {
  for (const recorder of recorders) await recorder.stop()
  await journal.stop()
  rmSync(dir, { recursive: true, force: true })
})

async function openJournal(config: Config['historian']): Promise<void> {
  journal = new SqliteJournal({
    file: join(dir, 'journal.db'),
    keepMs: 3_600_000,
    maxPendingBytes: 64 * 1024 * 1024,
    quarantineKeep: 1000,
    storedBy: historianConsumer(config),
    clock: systemClock,
    log: silent,
  })
  await journal.start()
}

async function startRecorder(
  config: Config['historian'],
  more: Partial<RecorderParts> = {},
): Promise<Recorder> {
  const parts = { journal, journalFile: join(dir, 'journal.db'), config, dataDir: dir, log: silent }
  const recorder = new Recorder({ ...parts, ...more })
  recorders.push(recorder)
  await recorder.start()
  return recorder
}

async function append(origin: Origin, readings: readonly Reading[]): Promise<void> {
  const body = Buffer.from(JSON.stringify(readings))
  await journal.append({ entry: { origin, receivedAt: T, body, readings }, duplicates: 0, refusals: [] })
}

const reading = (index: number): Reading => ({ ts: T + index, metrics: { fume: index / 4 } })
const series = (from: number, to: number): Reading[] =>
  Array.from({ length: to - from }, (_, at) => reading(from + at))
const points = (count: number) => series(0, count).map(({ ts, metrics }) => [ts, metrics['fume']])

async function until(what: () => boolean | Promise<boolean>, ms = 20_000): Promise<void> {
  for (const deadline = Date.now() + ms; !(await what()); await sleep(20)) {
    if (Date.now() > deadline) throw new Error('not within its time')
  }
}
const stored = (recorder: Recorder) => until(() => recorder.lag() === 0)

describe('embedded', () => {
  const config = settings({ type: 'embedded', batch: 100 })
  beforeEach(() => openJournal(config))

  test('journaled ⇒ stored in the historian exactly once', async () => {
    await append(fume, series(0, 250))
    const recorder = await startRecorder(config)
    await Promise.all(Array.from({ length: 500 }, (_, index) => append(fume, [reading(250 + index)])))
    await stored(recorder)
    expect(await recorder.query(everything)).toEqual(points(750))
    expect(journal.ledger()).toMatchObject({ accepted: 750, stored: 750, pending: 0, quarantined: 0 })
    expect(recorder.health()).toEqual({ ready: true, detail: 'storing; 0 readings behind' })
  })

  test('a restart goes on where the last one stopped', async () => {
    const first = await startRecorder(config)
    await append(fume, series(0, 300))
    await stored(first)
    await first.stop()
    await append(fume, series(300, 400))
    const second = await startRecorder(config)
    await stored(second)
    expect(await second.query(everything)).toEqual(points(400))
  })

  test('what the store refuses lands in the quarantine as a device would send it, and the ledger adds up', async () => {
    const recorder = await startRecorder(config)
    const wrong: Reading = { ts: T + 1, metrics: { fume: true }, clock: 'gateway' }
    await append(fume, [reading(0), wrong, reading(2)])
    await stored(recorder)
    expect(await recorder.query(everything)).toEqual([points(3)[0], points(3)[2]])
    expect(journal.ledger()).toMatchObject({
      received: 3,
      accepted: 2,
      quarantined: 1,
      stored: 2,
      pending: 0,
    })
  })

  test('rejects that the journal cannot note are found again, not lost', async () => {
    const noted: Refusal[] = []
    let failures = 0
    const unsteady = new Proxy(journal, {
      get(target, name) {
        if (name !== 'advance') {
          const value: unknown = Reflect.get(target, name, target)
          return typeof value === 'function' ? (value.bind(target) as unknown) : value
        }
        return async (consumer: string, next: number, rejected: readonly Refusal[]) => {
          if (failures++ < 1) throw new Error('disk full')
          noted.push(...rejected)
          await target.advance(consumer, next, rejected)
        }
      },
    })
    await append(fume, [reading(0), { ts: T + 1, metrics: { fume: true } }, reading(2)])
    const recorder = await startRecorder(config, { journal: unsteady })
    await append(fume, [reading(3)])
    await stored(recorder)
    expect(noted).toHaveLength(1)
    expect(noted[0]).toMatchObject({ device: 'fume-1', code: 'historian_rejected', receivedAt: T })
    expect(Buffer.from(noted[0]!.raw).toString()).toBe(`{"ts":${T + 1},"metrics":{"fume":true}}`)
    expect(journal.ledger()).toMatchObject({ accepted: 3, stored: 3, quarantined: 1 })
  })

  test('a damaged store is shown and does not stop the intake', async () => {
    writeFileSync(join(dir, 'history.db'), 'this is no database, it is a line of text that is long enough')
    const recorder = await startRecorder(config)
    await append(fume, series(0, 10))
    await until(() => recorder.health().detail.includes('not a database'))
    expect(recorder.health().ready).toBe(false)
    expect(recorder.lag()).toBe(10)
    rmSync(join(dir, 'history.db'))
    await stored(recorder)
    expect(recorder.health().ready).toBe(true)
  })
})

describe.skipIf(!hasInfluxd)('InfluxDB', () => {
  let influxd: Influxd
  let names = 0
  let config: Config['historian']
  beforeAll(async () => {
    influxd = await Influxd.launch()
  })
  afterAll(() => influxd.dispose())
  beforeEach(async () => {
    config = settings({ type: 'influx1', url: influxd.url, database: `recorder-${names++}`, batch: 500 })
    await openJournal(config)
  })

  test('down, then up: nothing is lost, and it is shown', async () => {
    await influxd.stop()
    const recorder = await startRecorder(config)
    await append(fume, series(0, 1000))
    await until(() => recorder.health().detail.includes('failing since'))
    expect(recorder.health().ready).toBe(false)
    await expect(recorder.query(everything)).rejects.toThrow(HistorianUnavailable)
    await append(fume, series(1000, 2000))
    expect(journal.ledger()).toMatchObject({ accepted: 2000, stored: 0, pending: 2000 })
    await influxd.start()
    await stored(recorder)
    expect(recorder.health()).toEqual({ ready: true, detail: 'storing; 0 readings behind' })
    expect(await recorder.query(everything)).toEqual(points(2000))
  })

  test('killed and restarted under load: every point once', async () => {
    const recorder = await startRecorder(config)
    let written = 0
    const loading = new AbortController()
    const load = (async () => {
      while (!loading.signal.aborted) {
        await append(fume, series(written, written + 50))
        written += 50
        await sleep(2)
      }
    })()
    for (let kill = 0; kill < 3; kill++) {
      const before = written
      await until(() => written > before + 1000 && recorder.health().ready)
      await influxd.kill()
      await influxd.start()
    }
    loading.abort()
    await load
    await stored(recorder)
    expect(await recorder.query(everything)).toEqual(points(written))
  })

  test('its database dropped under load: created again', async () => {
    const recorder = await startRecorder(config)
    await append(fume, series(0, 10))
    await stored(recorder)
    await influxd.query(`DROP DATABASE "${config.database}"`)
    await append(fume, series(10, 20))
    await stored(recorder)
    expect(await recorder.query(everything)).toEqual(points(20).slice(10))
  })

  test('another store is given everything that the journal still holds', async () => {
    const first = await startRecorder(config)
    await append(fume, series(0, 1200))
    await stored(first)
    await first.stop()
    const other = { ...config, database: `${config.database}-other` }
    const second = await startRecorder(other)
    await stored(second)
    expect(await second.query(everything)).toEqual(points(1200))
  })

  test('alarms are copied once each, also those of the time when it was down', async () => {
    const changes: AlarmChange[] = []
    // Asked for what comes after a change, it has been told that the change is in the store.
    const asked: number[] = []
    const alarms = {
      after(cursor: number, limit: number) {
        asked.push(cursor)
        return changes.filter(({ seq }) => seq > cursor).slice(0, limit)
      },
    }
    const recorder = await startRecorder(config, { alarms })
    changes.push(change(1), change(2))
    recorder.notifyAlarms()
    await until(() => asked.at(-1) === 2)
    await influxd.stop()
    changes.push(change(3))
    recorder.notifyAlarms()
    await influxd.start()
    await until(() => asked.at(-1) === 3)
    await recorder.stop()
    changes.push(change(4))
    asked.length = 0
    const again = await startRecorder(config, { alarms })
    await until(() => asked.at(-1) === 4)
    expect(asked[0]).toBe(3)
    expect(await influxd.query('SELECT device, state FROM alarm', config.database)).toEqual(
      [1, 2, 3, 4].map((seq) => [T + seq, 'fume-1', 'firing']),
    )
    await again.stop()
  })
})

describe.skipIf(!hasInfluxd || process.getuid?.() !== 0)('InfluxDB on a disk of its own', () => {
  test('full, then freed and restarted: nothing is lost', async () => {
    const disk = mkdtempSync(join(tmpdir(), 'gridwhistle-disk-'))
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=4m', 'tmpfs', disk])
    let influxd: Influxd | undefined
    try {
      influxd = await Influxd.launch(disk)
      const config = settings({ type: 'influx1', url: influxd.url, batch: 500 })
      await openJournal(config)
      const recorder = await startRecorder(config)
      await append(fume, series(0, 100))
      await stored(recorder)
      const ballast = join(disk, 'ballast')
      fill(ballast)
      await append(fume, series(100, 10_000))
      await until(() => !recorder.health().ready)
      expect(recorder.health().detail).toMatch(/no space left/)
      rmSync(ballast)
      // 1.6.7 never forgets a failed write of its log; its operator has to restart it, ours nothing.
      await influxd.kill()
      await influxd.start()
      await stored(recorder)
      expect(await recorder.query(everything)).toEqual(points(10_000))
      await recorder.stop()
    } finally {
      await influxd?.dispose()
      execFileSync('umount', [disk])
      rmSync(disk, { recursive: true, force: true })
    }
  })
})

test('a store that never answers holds up neither stop() nor more than a few questions', async () => {
  const server = createServer(() => {}).listen(0, '127.0.0.1')
  await once(server, 'listening')
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  const config = settings({ type: 'influx1', url })
  await openJournal(config)
  const recorder = await startRecorder(config)
  await append(fume, series(0, 10))
  const questions = Array.from({ length: 68 }, () =>
    recorder.query(everything).catch((error: unknown) => error),
  )
  await expect(recorder.query(everything)).rejects.toThrow('too many questions')
  await recorder.stop()
  for (const answer of await Promise.all(questions)) expect(answer).toBeInstanceOf(HistorianUnavailable)
  expect(recorder.lag()).toBe(10)
  server.closeAllConnections()
  server.close()
})

/** Takes the rest of the disk. */
function fill(file: string): void {
  for (let size = 1 << 20; size > 0; size >>= 1) {
    try {
      for (;;) writeFileSync(file, Buffer.alloc(size), { flag: 'a' })
    } catch {
      // No room for this size; perhaps for a smaller one.
    }
  }
}

function change(seq: number): AlarmChange {
  const alarm = {
    id: `a${seq}`,
    rule: 'fume-over-limit',
    ruleVersion: 1,
    device: 'fume-1',
    kind: 'cooking_fume',
    site: 's',
    street: 'wenfeng',
    grid: 'wenfeng-001',
    severity: 'orange',
    state: 'firing',
    startedAt: T,
    clearedAt: null,
    peak: 3,
    value: 3,
    case: null,
  } as const
  return { seq, at: T + seq, alarm }
}
