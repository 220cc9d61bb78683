import { writeFileSync } from 'node:fs'
import { Command, Option } from 'commander'
import { builtInScenarios, scenarioFile } from '../simulators/built-in.ts'
import { BAD, GOOD } from '../simulators/crews/conduct.ts'
import { type CrewAccount, Crews } from '../simulators/crews/crews.ts'
import { milliseconds } from '../simulators/duration.ts'
import type { SimulationProgress } from '../simulators/progress.ts'
import { readScenario, type Scenario } from '../simulators/scenario.ts'
import { score, type ScoredAlarm } from '../simulators/score.ts'
import { Secrets } from '../simulators/secrets.ts'
import { driveSimulation, runSimulation } from '../simulators/simulate.ts'
import { truthOf } from '../simulators/truth.ts'
import { WrongUsage } from '../simulators/wrong-usage.ts'
import { Api } from './api.ts'
import { stopSignal } from './exit.ts'
import { duration, positiveNumber, wholeNumber } from './options.ts'
import { OwnGateway } from './own-gateway.ts'
import { Progress } from './progress.ts'
import { scoreDetails, type ScoredRun, scoreTable } from './score-table.ts'
import { mqttOptions, targetOf, type TargetOptions, tokenOf } from './target.ts'

interface Options extends TargetOptions {
  seed: number
  speed: number
  duration?: number
  secrets?: string
  drive?: true
  ownGateway?: true
  via: 'mqtt' | 'http'
  crews?: keyof typeof CONDUCT
  truth?: string
  score?: true
  json?: true
}

/** Where a run goes, and with what right. */
interface Gateway {
  readonly mqttUrl: string
  readonly httpUrl: string
  readonly token: string
}

const ALL = 'all'
const CONDUCT = { good: GOOD, bad: BAD } as const

export function simulateCommand(): Command {
  return mqttOptions(new Command('simulate'))
    .description('let the devices of a scenario live and report over MQTT')
    .argument(
      '<scenario>',
      `a scenario file, or the name of a built-in one: ${builtInScenarios().join(', ')}`,
    )
    .option('--seed <n>', 'the same seed gives the same readings', wholeNumber(0, 2 ** 31), 7)
    .option('--speed <factor>', 'times as fast as life; above 1 it needs --duration', positiveNumber, 1)
    .option('--duration <time>', 'device time to simulate, such as 10m (default: what it lasts)', duration)
    .option('--drive', "drive the gateway's clock (clock: driven) instead, as fast as it can follow")
    .option('--own-gateway', 'the same with a gateway of its own, on data that are removed afterwards')
    .option(
      '--truth <file>',
      'write what really happened, and the alarms that must come of it, as JSON lines',
    )
    .option('--score', "hold the gateway's alarms against the truth")
    .addOption(
      new Option('--via <wire>', 'http: readings of all devices in one request, many times cheaper')
        .choices(['mqtt', 'http'])
        .default('mqtt'),
    )
    .addOption(
      new Option('--crews <conduct>', 'teams take up orders, travel, arrive and are closed').choices(
        Object.keys(CONDUCT),
      ),
    )
    .option('--secrets <file>', 'keep the secrets of devices here (mode 0600) for the next run')
    .option('--json', 'print the account as JSON')
    .addHelpText(
      'after',
      `
Registers what is not registered yet, connects every device and publishes at QoS 1. Readings are never
ahead of the clock: a run that is faster than life begins in the past and ends in the present. A run that
drives the clock has the times of its scenario.

  all --score plays every built-in scenario on a gateway of its own, and prints one table.

Examples:
  gridwhistle simulate demo --seed 7 --speed 60 --duration 50m --to mqtt://127.0.0.1:1883
  gridwhistle simulate typhoon --own-gateway --score`,
    )
    .action(async (name: string, options: Options) => {
      if (name === ALL) return await scoreAll(options)
      const scenario = readScenario(scenarioFile(name))
      const { progress, scored } = await withGateway(options, async (target) => {
        const progress = await play(scenario, target, options, stopSignal())
        return { progress, scored: options.score && (await scoredRun(scenario, target, progress)) }
      })
      const { devices, taken, acknowledged, refused } = progress
      if (scored) {
        if (options.json) process.stdout.write(`${JSON.stringify(scored)}\n`)
        else process.stdout.write(scoreTable([scored]) + scoreDetails(scored, progress.epoch!))
      } else
        process.stdout.write(
          options.json
            ? `${JSON.stringify(progress)}\n`
            : `${devices} devices took ${taken} readings; ${acknowledged} acknowledged, ${refused} refused\n`,
        )
      // Stopped by hand, the last few may be under way; run to its end, none may be missing.
      const missing = lengthOf(scenario, options) !== undefined && acknowledged < taken
      if (refused > 0 || missing) throw new Error('not every reading was taken in')
    })
}

async function scoreAll(options: Options): Promise<void> {
  if (!options.score) throw new WrongUsage(`${ALL} needs --score`)
  const signal = stopSignal()
  const runs: ScoredRun[] = []
  for (const name of builtInScenarios()) {
    const scenario = readScenario(scenarioFile(name))
    if (scenario.lasts === undefined) continue
    const own = { ...options, ownGateway: true as const }
    await withGateway(own, async (target) => {
      const progress = await play(scenario, target, own, signal)
      const run = await scoredRun(scenario, target, progress)
      runs.push(run)
      if (!options.json) process.stderr.write(`${name}\n${scoreDetails(run, progress.epoch!)}`)
    })
  }
  process.stdout.write(options.json ? `${JSON.stringify(runs)}\n` : scoreTable(runs))
}

async function withGateway<T>(options: Options, run: (gateway: Gateway) => Promise<T>): Promise<T> {
  if (!options.ownGateway) {
    const target = targetOf(options)
    return await run({ ...target, token: tokenOf(target) })
  }
  const gateway = new OwnGateway()
  try {
    return await run(await gateway.start())
  } finally {
    await gateway.stop()
  }
}

async function play(
  scenario: Scenario,
  target: Gateway,
  options: Options,
  signal: AbortSignal,
): Promise<SimulationProgress> {
  const length = lengthOf(scenario, options)
  const bar = new Progress(scenario.id)
  const crews = options.crews && new Crews({ ...target, seed: options.seed, conduct: CONDUCT[options.crews] })
  const drives = options.drive === true || options.ownGateway === true
  const common = {
    ...target,
    scenario,
    seed: options.seed,
    via: options.via,
    ...(crews && { onTime: async (now: number) => await crews.advance(now) }),
    secrets: new Secrets(options.secrets),
    signal,
    onProgress: ({ devices, connected, acknowledged, refused, elapsed, lastError }: SimulationProgress) => {
      const detail = `${connected}/${devices} devices, ${acknowledged} acknowledged, ${refused} refused`
      bar.update(Math.max(0, elapsed), length ?? Math.max(1, elapsed), lastError ?? detail)
    },
  }
  try {
    if (drives && length === undefined)
      throw new WrongUsage(`${scenario.id} does not say how long it lasts; give a --duration`)
    await crews?.start()
    const progress =
      drives && length !== undefined
        ? await driveSimulation({ ...common, duration: length })
        : await runSimulation({ ...common, speed: options.speed, ...(length && { duration: length }) })
    if (options.truth !== undefined) writeTruth(options.truth, scenario, progress.epoch!)
    if (crews) process.stderr.write(crewLine(crews.account))
    return progress
  } finally {
    await crews?.stop()
    bar.stop()
  }
}

function crewLine({ orders, ignored, actions, refused, closed }: CrewAccount): string {
  return `crews: ${orders} orders, ${ignored} ignored, ${actions} actions, ${refused} refused, ${closed} closed\n`
}

function lengthOf(scenario: Scenario, options: Options): number | undefined {
  return options.duration ?? (scenario.lasts === undefined ? undefined : milliseconds(scenario.lasts))
}

function writeTruth(file: string, scenario: Scenario, epoch: number): void {
  const lines = truthOf(scenario, epoch).map((episode) => `${JSON.stringify(episode)}\n`)
  writeFileSync(file, lines.join(''))
}

/** Whatever alarms the scenario's devices have had since the run began. */
async function scoredRun(
  scenario: Scenario,
  { httpUrl, token }: Gateway,
  { epoch, elapsed, devices, acknowledged }: SimulationProgress,
): Promise<ScoredRun> {
  const end = epoch! + elapsed
  // What the run ended before may or may not have come.
  const expected = truthOf(scenario, epoch!).flatMap((episode) =>
    episode.expected.map((alarm) => ({ ...alarm, may: alarm.may || alarm.by > end })),
  )
  const ids = new Set(scenario.devices.map(({ id }) => id))
  const alarms: ScoredAlarm[] = []
  const backlog = milliseconds(scenario.backlog ?? '0s')
  for await (const item of new Api(httpUrl, token).list(
    `/api/v1/alarms?limit=1000&from=${epoch! - backlog}`,
  )) {
    const alarm = item as unknown as ScoredAlarm
    if (ids.has(alarm.device)) alarms.push(alarm)
  }
  return {
    scenario: scenario.id,
    devices,
    readings: acknowledged,
    alarms: alarms.filter(({ state }) => state !== 'withdrawn').length,
    score: score(expected, alarms),
  }
}
