/**
 * A process that journals the history of argv[3] readings and seed argv[4] in the folder argv[2], from where the
 * journal ends, and judges it; half way through the rules change. Prints how many readings are judged as it goes, and `done` when all of it is and
 * every clock has run out.
 */
import { setImmediate as turn, setTimeout as sleep } from 'node:timers/promises'
import { append, CHANGED_RULES, Court, historyOf, RULES } from './judge.fixture.ts'

const [folder, count, seed] = [process.argv[2]!, Number(process.argv[3]), Number(process.argv[4])]
const arrivals = historyOf(12, count, seed)
const court = new Court(folder, RULES)
court.database.migrate('rule-change', 'CREATE TABLE rule_change (at INTEGER NOT NULL) STRICT')
const hasChanged = (): boolean => court.database.sql.prepare('SELECT at FROM rule_change').get() !== undefined
if (hasChanged()) court.newJudge(CHANGED_RULES)
await court.journal.start()
court.now = arrivals[Math.max(0, court.journal.head() - 1)]!.receivedAt
await court.judge.start()

const AT_ONCE = 25
const CHANGE_AT = Math.round(arrivals.length / 2 / AT_ONCE) * AT_ONCE

/** At the same reading in every run, so that the runs can be compared. */
async function changeRules(): Promise<void> {
  while (court.judge.health().detail !== 'in step' || court.judge.lag() > 0) await sleep(1)
  await court.judge.adopt(CHANGED_RULES, () =>
    court.database.sql.prepare('INSERT INTO rule_change (at) VALUES (?)').run(court.now),
  )
}

for (let at = court.journal.head(); at < arrivals.length; at += AT_ONCE) {
  if (at >= CHANGE_AT && !hasChanged()) await changeRules()
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
