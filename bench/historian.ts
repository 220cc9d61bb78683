/**
 * The historian alone: what a line of line protocol costs, and how fast the recorder's worker brings a full
 * journal into InfluxDB 1.6.7, which shares the machine's cores, and into the embedded store. "CPU" is this
 * process: journal reader, decoder and encoder, or SQLite; the main thread's share is what intake would miss.
 *
 *   node bench/historian.ts [thousands of readings]
 */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { Ajv } from 'ajv'
import { pino } from 'pino'
import { ConfigSchema } from '../gateway/config-schema.ts'
import type { Config } from '../gateway/config.ts'
import { LineProtocol } from '../gateway/historian/line-protocol.ts'
import { Recorder } from '../gateway/historian/recorder.ts'
import { Folder, originOf } from '../gateway/journal/journal.fixture.ts'
import type { Reading } from '../gateway/model/reading.ts'
import { Influxd } from '../test/services/influxd.ts'

const READINGS = Number(process.argv[2] ?? 300) * 1000
const DEVICES = 1000
const T = 1_718_000_000_000

const origins = Array.from({ length: DEVICES }, (_, device) => originOf(`fume-${device}`))
const shapes = {
  'two metrics': (index: number): Reading => ({
    ts: T + index,
    metrics: { fume: (index % 997) / 100, fan: index % 3 > 0 },
  }),
  'seven metrics, a flag': (index: number): Reading => ({
    ts: T + index,
    metrics: {
      fume: (index % 997) / 100,
      pm: 4.1,
      nmhc: 6.02,
      fan: true,
      purifier: true,
      temperature: 41.5,
      humidity: 63,
    },
    flags: { nmhc: 'M' },
  }),
}

function settings(historian: Partial<Config['historian']>): Config['historian'] {
  const config = { historian }
  new Ajv({ useDefaults: true, strict: false }).compile(ConfigSchema)(config)
  return config.historian as Config['historian']
}

function encode(shape: (index: number) => Reading): number {
  const readings = Array.from({ length: 100_000 }, (_, index) => shape(index))
  const protocol = new LineProtocol()
  const times: number[] = []
  let bytes = 0
  for (let run = 0; run < 7; run++) {
    const begin = performance.now()
    for (let index = 0; index < readings.length; index++) {
      bytes += protocol.reading(origins[index % DEVICES]!, readings[index]!).length
    }
    times.push(((performance.now() - begin) * 1000) / readings.length)
  }
  if (bytes === 0) throw new Error('nothing was encoded')
  return times.sort((a, b) => a - b)[3]!
}

async function record(shape: (index: number) => Reading, config: Config['historian']): Promise<object> {
  const folder = new Folder()
  const dataDir = mkdtempSync(join(tmpdir(), 'gridwhistle-bench-'))
  try {
    const journal = await folder.open()
    const writes: Promise<void>[] = []
    for (let index = 0; index < READINGS; index++) {
      const readings = [shape(index)]
      const body = Buffer.from(JSON.stringify(readings[0]))
      const origin = origins[index % DEVICES]!
      writes.push(
        journal.append({ entry: { origin, receivedAt: T, body, readings }, duplicates: 0, refusals: [] }),
      )
      if (writes.length === 5_000) await Promise.all(writes.splice(0))
    }
    await Promise.all(writes)
    const log = pino({ level: 'warn' }, pino.destination(2))
    const recorder = new Recorder({ journal, journalFile: folder.file, config, dataDir, log })
    const before = process.cpuUsage()
    const mainBefore = process.threadCpuUsage()
    const begin = performance.now()
    await recorder.start()
    while (recorder.lag() > 0) await sleep(5)
    const seconds = (performance.now() - begin) / 1000
    const cpu = process.cpuUsage(before)
    const main = process.threadCpuUsage(mainBefore)
    await recorder.stop()
    const each = (usage: { user: number; system: number }) => rounded((usage.user + usage.system) / READINGS)
    return {
      'readings/s': Math.round(READINGS / seconds),
      'CPU µs each': each(cpu),
      'main thread µs each': each(main),
    }
  } finally {
    await folder.remove()
    rmSync(dataDir, { recursive: true, force: true })
  }
}

function rounded(value: number): number {
  return Math.round(value * 100) / 100
}

console.table(
  Object.fromEntries(
    Object.entries(shapes).map(([name, shape]) => [name, { 'line protocol µs': rounded(encode(shape)) }]),
  ),
)
const influxd = await Influxd.launch()
try {
  const rows: Record<string, object> = {}
  for (const [name, shape] of Object.entries(shapes)) {
    const database = name.replaceAll(/\W/g, '-')
    rows[`influx1, ${name}`] = await record(shape, settings({ type: 'influx1', url: influxd.url, database }))
    rows[`embedded, ${name}`] = await record(shape, settings({ type: 'embedded' }))
  }
  console.table(rows)
} finally {
  await influxd.dispose()
}
