/**
 * What one reading of about 200 bytes costs the main thread on its way to the journal, stage by stage, in µs:
 * `node bench/intake.ts`. The journal is left out: it answers at once.
 */
import { Buffer } from 'node:buffer'
import { Duplicates } from '../gateway/ingest/duplicates.ts'
import { ReadingIntake } from '../gateway/ingest/intake.ts'
import { readingsIn } from '../gateway/ingest/payload.ts'
import { readingChecks } from '../gateway/ingest/reading-check.ts'
import { systemClock } from '../gateway/model/clock.ts'
import { loadKinds } from '../gateway/model/kinds.ts'
import type { Reading } from '../gateway/model/reading.ts'

const ROUNDS = 7
const MESSAGES = 100_000
const DEVICES = 1000
const IN_FLIGHT = 100
const LIMIT = 524_288

const kinds = loadKinds()
const origins = new Map(
  Array.from({ length: DEVICES }, (_, i) => {
    const device = `fume-${i}`
    return [
      device,
      { device, kind: 'cooking_fume', site: `site-${i}`, street: 'wenfeng', grid: 'wenfeng-001' },
    ]
  }),
)
const ids = [...origins.keys()]
const started = Date.now() - ROUNDS * MESSAGES

function payloads(round: number): Uint8Array[] {
  return Array.from({ length: MESSAGES }, (_, i) =>
    Buffer.from(
      JSON.stringify({
        ts: started + round * MESSAGES + i,
        metrics: {
          fume: Math.round(Math.random() * 400) / 100,
          pm: 3.1,
          nmhc: Math.round(Math.random() * 900) / 100,
          fan: true,
          purifier: i % 2 === 0,
          fan_current: 4.25,
          purifier_current: 1.5,
          temperature: 41.5,
          humidity: 63.2,
        },
        position: [120.857, 32.01, 12],
      }),
    ),
  )
}

const results = new Map<string, number[]>()
async function measure(stage: string, work: () => void | Promise<void>): Promise<void> {
  const start = performance.now()
  await work()
  results.set(stage, [...(results.get(stage) ?? []), ((performance.now() - start) * 1000) / MESSAGES])
}

const duplicates = new Duplicates()
const check = readingChecks(kinds).get('cooking_fume')!
const intake = new ReadingIntake({
  kinds,
  devices: { origin: (id) => origins.get(id) },
  journal: {
    append: () => Promise.resolve(),
    head: () => 0,
    tail: () => 0,
    read: () => ({ deliveries: [], next: 0 }),
  },
  clock: systemClock,
  maxMessageBytes: LIMIT,
})

let size = 0
for (let round = 0; round < ROUNDS; round++) {
  const messages = payloads(round)
  size = messages[0]!.length
  let readings: unknown[] = []
  await measure('decode', () => {
    readings = messages.map((payload) => (readingsIn(payload, LIMIT) as readonly unknown[])[0])
  })
  await measure('validate', () => {
    const now = Date.now()
    for (const reading of readings) {
      if (check.fault(reading, now) !== null) throw new Error('a valid reading was refused')
    }
  })
  await measure('recognise duplicates', () => {
    for (let i = 0; i < MESSAGES; i++) duplicates.add(ids[i % DEVICES]!, readings[i] as Reading)
  })
  await measure('accept, all of it', async () => {
    const receivedAt = Date.now()
    for (let i = 0; i < MESSAGES; i += IN_FLIGHT) {
      const outcomes: Promise<unknown>[] = []
      for (let j = i; j < i + IN_FLIGHT; j++) {
        outcomes.push(intake.accept({ device: ids[j % DEVICES]!, payload: messages[j]!, receivedAt }))
      }
      await Promise.all(outcomes)
    }
  })
}

process.stdout.write(`µs for a reading of ${size} bytes, median of ${ROUNDS} rounds of ${MESSAGES}\n`)
for (const [stage, times] of results) {
  const median = times.sort((a, b) => a - b)[Math.floor(ROUNDS / 2)]!
  process.stdout.write(`${stage.padEnd(24)}${median.toFixed(2)}\n`)
}
