import { Command } from 'commander'
import { scenarioFile } from '../simulators/built-in.ts'
import { incidentsOf, staffed, type Staffing } from '../simulators/crews/staffing.ts'
import { readScenario } from '../simulators/scenario.ts'
import { truthOf } from '../simulators/truth.ts'
import { WrongUsage } from '../simulators/wrong-usage.ts'
import { duration, positiveNumber, wholeNumber } from './options.ts'

interface Options {
  within: number
  share: number
  runs: number
  seed: number
  json?: true
}

const MINUTE = 60_000

export function crewsCommand(): Command {
  return new Command('crews')
    .description('how many crews a scenario needs, by a discrete-event run; no gateway is asked')
    .argument('<scenario>', 'a scenario file, or the name of a built-in one')
    .option('--within <time>', 'on site after so long at most', duration, 20 * MINUTE)
    .option('--share <percent>', 'of all incidents', positiveNumber, 95)
    .option('--runs <n>', 'with other reaction times, traffic and work each', wholeNumber(1, 10_000), 200)
    .option('--seed <n>', 'the same seed gives the same answer', wholeNumber(0, 2 ** 31), 7)
    .option('--json', 'print the table as JSON')
    .action((name: string, { within, share, runs, seed, json }: Options) => {
      const scenario = readScenario(scenarioFile(name))
      const incidents = incidentsOf(truthOf(scenario, Date.parse(scenario.begins)))
      if (incidents.length === 0) throw new WrongUsage(`nothing that calls a crew happens in ${scenario.id}`)
      const places = scenario.devices.map(({ position }) => position)
      const rows: Staffing[] = []
      do rows.push(staffed(incidents, places, rows.length + 1, { within, runs, seed }))
      while (rows.at(-1)!.inTime * 100 < share && rows.length < incidents.length)
      const last = rows.at(-1)!
      const isEnough = last.inTime * 100 >= share
      if (json) {
        const answer = isEnough ? last.crews : null
        process.stdout.write(`${JSON.stringify({ incidents: incidents.length, crews: answer, rows })}\n`)
      } else process.stdout.write(table(rows, within))
      const minutes = within / MINUTE
      if (!isEnough)
        throw new Error(`a crew for each of the ${incidents.length} incidents is not enough: it is too far`)
      if (!json)
        process.stdout.write(
          `${last.crews} crews are on site within ${minutes} min at ${share} % of ${incidents.length} incidents\n`,
        )
    })
}

function table(rows: readonly Staffing[], within: number): string {
  const minutes = (ms: number): string => (ms / MINUTE).toFixed(0).padStart(8)
  const lines = rows.map(({ crews, inTime, median, p95 }) => {
    const share = `${(100 * inTime).toFixed(1)} %`.padStart(9)
    return `${String(crews).padStart(5)} ${share} ${minutes(median)} ${minutes(p95)}\n`
  })
  return `crews  < ${within / MINUTE} min   median      p95 (min)\n${lines.join('')}`
}
