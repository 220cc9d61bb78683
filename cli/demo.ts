import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { Command } from 'commander'
import { adminToken } from '../gateway/registry/admin-token.ts'
import { runGateway } from '../gateway/main.ts'
import { readScenario } from '../simulators/scenario.ts'
import { runSimulation } from '../simulators/simulate.ts'

const SCENARIO = fileURLToPath(new URL('../simulators/scenarios/demo.yaml', import.meta.url))
const SEED = 7

export function demoCommand(): Command {
  return new Command('demo')
    .description('the gateway and a simulated district of some 200 sensors, in one go')
    .option(
      '--config <file>',
      'configuration of the gateway; its data lies in ./data/demo unless it says otherwise',
    )
    .action(async ({ config }: { config?: string }) => demo(config))
}

async function demo(configFile: string | undefined): Promise<void> {
  const stopped = new AbortController()
  let simulation: Promise<unknown> = Promise.resolve()
  const gateway = await runGateway({
    configFile,
    // Its crews are part of the show: they get the orders of simulated cases.
    defaults: {
      GW_DATA_DIR: join('data', 'demo'),
      GW_LOG_LEVEL: 'warn',
      GW_DISPATCH_SIMULATED: 'true',
    },
    beforeEnd: async () => {
      stopped.abort()
      await simulation
    },
  })
  const { mqtt, http } = gateway.ready
  const token = adminToken(gateway.config.admin.token, gateway.config.dataDir)
  process.stderr.write(welcome(`http://127.0.0.1:${http}/#token=${token}`))

  simulation = runSimulation({
    scenario: readScenario(SCENARIO),
    seed: SEED,
    speed: 1,
    mqttUrl: `mqtt://127.0.0.1:${mqtt}`,
    httpUrl: `http://127.0.0.1:${http}`,
    token,
    signal: stopped.signal,
  }).catch((error: unknown) => {
    process.stderr.write(`gridwhistle: the simulated district has stopped: ${(error as Error).message}\n`)
  })
}

const welcome = (link: string) => `
  网格哨 Gridwhistle demo: a simulated district of some 200 sensors is signing in.

    ${link}

  opens the console, signed in as admin. Within a minute a restaurant goes over the fume limit: watch the
  queue. Ctrl-C stops everything.

`
