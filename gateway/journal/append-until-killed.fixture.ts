/** A process that appends to the journal at argv[2] and says after each acknowledgement which value it was for. */
import { pino } from 'pino'
import { SqliteJournal } from './journal.ts'
import { entryOf, originOf, writeOf } from './journal.fixture.ts'

const journal = new SqliteJournal({
  file: process.argv[2]!,
  keepMs: 3_600_000,
  maxPendingBytes: 64 * 1024 * 1024,
  quarantineKeep: 1000,
  storedBy: 'historian',
  clock: { now: () => Date.now() },
  log: pino({ level: 'silent' }),
})
await journal.start()

const IN_FLIGHT = 50
let value = journal.head()

async function appendForever(lane: number): Promise<void> {
  const origin = originOf(`fume-${lane}`)
  for (;;) {
    const mine = value++
    await journal.append(writeOf(entryOf(origin, [mine])))
    process.stdout.write(`${mine}\n`)
  }
}

await Promise.all(Array.from({ length: IN_FLIGHT }, (_, lane) => appendForever(lane)))
