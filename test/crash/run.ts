/** `npm run test:crash -- --kills 200 [--seed 7]`: the crash test by hand, as long as one likes. */
import { parseArgs } from 'node:util'
import { crash } from './crash.ts'

const { values } = parseArgs({
  options: {
    kills: { type: 'string', default: '200' },
    seed: { type: 'string', default: String(Date.now() % 1_000_000) },
  },
})
const kills = Number(values.kills)
const seed = Number(values.seed)
console.error(`crash test: ${kills} kills, seed ${seed}`)
const report = await crash({
  kills,
  seed,
  onKill: (kill) => {
    if (kill % 10 === 0) console.error(`crash test: ${kill} kills`)
  },
})
console.log(JSON.stringify(report, null, 2))
const broken =
  report.lost + report.doubled + report.alarmsMissing + report.alarmsUnexpected + report.alarmsWithoutCase >
    0 || report.slowestStart > 5000
process.exit(broken ? 1 : 0)
