import { Command } from 'commander'
import { scenarioFile } from '../simulators/built-in.ts'
import { readScenario } from '../simulators/scenario.ts'
import { Secrets } from '../simulators/secrets.ts'
import { runSimulation } from '../simulators/simulate.ts'
import { stopSignal } from './exit.ts'
import { duration, positiveNumber, wholeNumber } from './options.ts'
import { Progress } from './progress.ts'
import { mqttOptions, targetOf, type TargetOptions, tokenOf } from './target.ts'

interface Options extends TargetOptions {
  seed: number
  speed: number
  duration?: number
  secrets?: string
  json?: true
}

export function simulateCommand(): Command {
  return mqttOptions(new Command('simulate'))
    .description('let the devices of a scenario live and report over MQTT')
    .argument('<scenario>', 'a scenario file, or the name of a built-in one: demo')
    .option('--seed <n>', 'the same seed gives the same readings', wholeNumber(0, 2 ** 31), 7)
    .option('--speed <factor>', 'times as fast as life; above 1 it needs --duration', positiveNumber, 1)
    .option('--duration <time>', 'device time to simulate, such as 10m (default: until stopped)', duration)
    .option('--secrets <file>', 'keep the secrets of devices here (mode 0600) for the next run')
    .option('--json', 'print the account as JSON')
    .addHelpText(
      'after',
      `
Registers what is not registered yet, connects every device and publishes at QoS 1. Readings are never
ahead of the clock: a run that is faster than life begins in the past and ends in the present.

Example:
  gridwhistle simulate demo --seed 7 --speed 60 --duration 50m --to mqtt://127.0.0.1:1883`,
    )
    .action(async (name: string, options: Options) => {
      const scenario = readScenario(scenarioFile(name))
      const target = targetOf(options)
      const progress = new Progress('simulating')
      const total = options.duration === undefined ? undefined : options.duration / options.speed
      const startedAt = Date.now()
      const account = await runSimulation({
        scenario,
        seed: options.seed,
        speed: options.speed,
        ...(options.duration !== undefined && { duration: options.duration }),
        mqttUrl: target.mqttUrl,
        httpUrl: target.httpUrl,
        token: tokenOf(target),
        secrets: new Secrets(options.secrets),
        signal: stopSignal(),
        onProgress: ({ devices, connected, acknowledged, refused, lastError }) => {
          const detail = `${connected}/${devices} devices, ${acknowledged} acknowledged, ${refused} refused`
          const passed = Date.now() - startedAt
          progress.update(Math.min(passed, total ?? passed), total ?? passed, lastError ?? detail)
        },
      })
      progress.stop()
      const { devices, taken, acknowledged, refused } = account
      process.stdout.write(
        options.json === true
          ? `${JSON.stringify(account)}\n`
          : `${devices} devices took ${taken} readings; ${acknowledged} acknowledged, ${refused} refused\n`,
      )
      // Stopped by hand, the last few may be under way; run to its end, none may be missing.
      const missing = options.duration !== undefined && acknowledged < taken
      if (refused > 0 || missing) throw new Error('not every reading was taken in')
    })
}
