/**
 * A process that journals the history of argv[3] readings and seed argv[4] in the folder argv[2], from where the
 * journal ends, and judges it. Prints how many readings are judged as it goes, and `done` when all of it is and
 * every clock has run out.
 */
import { setImmediate as turn, setTimeout as sleep } from 'node:timers/promises'
import { append, Court, historyOf, RULES } from './judge.fixture.ts'

const [folder, count, seed] = [process.argv[2]!, Number(process.argv[3]), Number(process.argv[4])]
const arrivals = historyOf(12, count, seed)
const court = new Court(folder, RULES)
await court.journal.start()
court.now = arrivals[Math.max(0, court.journal.head() - 1)]!.receivedAt
await court.judge.start()

const AT_ONCE = 25
for (let at = court.journal.head(); at < arrivals.length; at += AT_ONCE) {
  await Promise.all(
    arrivals.slice(at, at + AT_ONCE).map(({ origin, receivedAt, reading }) => {
      court.now = receivedAt
      return append(court.journal, origin, receivedAt, [reading])
    }),
  )
  await turn()
  process.stdout.write(`${court.judge.lag() === 0 ? court.journal.head() : 0}\n`)
}
while (court.judge.lag() > 0) await sleep(5)
court.now += 86_400_000
// Longer than a tick: every timer is due now.
await sleep(600)
await court.stop()
process.stdout.write('done\n')
