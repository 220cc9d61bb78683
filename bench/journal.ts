/**
 * The journal alone: how many readings it makes durable each second, and how long a write waits for that, at so
 * many writes in flight; on this disk, and on one whose fsync takes 10 ms longer. One reading of about 200 bytes
 * in each write. `append` is what a write costs the main thread before its promise is there.
 *
 *   node bench/journal.ts [seconds for each row]
 */
import { Folder, originOf, writeOf } from '../gateway/journal/journal.fixture.ts'
import type { JournalWrite } from '../gateway/model/pipeline.ts'
import type { Reading } from '../gateway/model/reading.ts'

const SECONDS = Number(process.argv[2] ?? 3)
const reading: Reading & { readonly note: string } = {
  ts: 1_718_000_000_123,
  metrics: { fume: 2.35, pm: 4.1, nmhc: 6.02, fan: true, purifier: true, temperature: 41.5, humidity: 63 },
  flags: { nmhc: 'M' },
  note: 'x'.repeat(40),
}
const body = Buffer.from(JSON.stringify(reading))
const writes = Array.from({ length: 1000 }, (_, device) =>
  writeOf({ origin: originOf(`fume-${device}`), receivedAt: reading.ts, body, readings: [reading] }),
)

interface Row {
  readonly 'fsync +ms': number
  readonly 'in flight': number
  readonly 'readings/s': number
  readonly 'p50 ms': number
  readonly 'p99 ms': number
  readonly 'append µs': number
}

async function measure(inFlight: number, fsyncDelayMs: number): Promise<Row> {
  const folder = new Folder()
  try {
    const journal = await folder.open({ fsyncDelayMs })
    const waits: number[] = []
    const begin = performance.now()
    const end = begin + SECONDS * 1000
    let appending = 0
    /** One connection with one message in flight. */
    const publish = async (write: JournalWrite): Promise<void> => {
      for (let started = begin; started < end;) {
        started = performance.now()
        const durable = journal.append(write)
        appending += performance.now() - started
        await durable
        waits.push(performance.now() - started)
      }
    }
    await Promise.all(writes.slice(0, inFlight).map(publish))
    const elapsed = (performance.now() - begin) / 1000
    waits.sort((a, b) => a - b)
    return {
      'fsync +ms': fsyncDelayMs,
      'in flight': inFlight,
      'readings/s': Math.round(journal.head() / elapsed),
      'p50 ms': rounded(waits[Math.floor(waits.length * 0.5)]!),
      'p99 ms': rounded(waits[Math.floor(waits.length * 0.99)]!),
      'append µs': rounded((appending * 1000) / journal.head()),
    }
  } finally {
    await folder.remove()
  }
}

function rounded(value: number): number {
  return Math.round(value * 100) / 100
}

console.log(`a reading is ${body.byteLength} bytes`)
const rows: Row[] = []
for (const fsyncDelayMs of [0, 10])
  for (const inFlight of [1, 100, 1000]) rows.push(await measure(inFlight, fsyncDelayMs))
console.table(rows)
