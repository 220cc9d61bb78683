/**
 * `npm run test:crash -- --kills 200 [--seed 7] [--dispatch]`: a crash test by hand, as long as one likes. With
 * `--dispatch` it is the one of cases and announcements.
 */
import { parseArgs } from 'node:util'
import { crash } from './crash.ts'
import { dispatchCrash } from './dispatch-crash.ts'

const { values } = parseArgs({
  options: {
    kills: { type: 'string', default: '200' },
    seed: { type: 'string', default: String(Date.now() % 1_000_000) },
    dispatch: { type: 'boolean', default: false },
  },
})
const kills = Number(values.kills)
const seed = Number(values.seed)
const onKill = (kill: number) => {
  if (kill % 10 === 0) console.error(`crash test: ${kill} kills`)
}
console.error(`crash test: ${kills} kills, seed ${seed}`)
process.exit((await (values.dispatch ? ofDispatch() : ofIntake())) ? 1 : 0)

/** Whether anything is broken. */
async function ofIntake(): Promise<boolean> {
  const report = await crash({ kills, seed, onKill })
  console.log(JSON.stringify(report, null, 2))
  const wrong =
    report.lost + report.doubled + report.alarmsMissing + report.alarmsUnexpected + report.alarmsWithoutCase
  return wrong > 0 || report.slowestStart > 5000
}

async function ofDispatch(): Promise<boolean> {
  const report = await dispatchCrash({ kills, seed, onKill })
  console.log(JSON.stringify(report, null, 2))
  const wrong =
    report.alarmsMissing +
    report.alarmsUnexpected +
    report.alarmsWithoutCase +
    report.sitesWithSeveral +
    report.openingsUntold +
    report.endsUntold +
    report.wrongSignatures +
    report.deadLetters
  return wrong > 0 || report.doubledAfterOneKill > 1 || report.robotWithinMinute > 20
}
