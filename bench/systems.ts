import { cpSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { freePort } from '../test/services/service.ts'
import { registration } from '../simulators/load/fleet.ts'
import { registerDevices } from '../simulators/registration.ts'
import { Secrets } from '../simulators/secrets.ts'
import { Influxd } from '../test/services/influxd.ts'
import { Program } from './processes.ts'

const here = (path: string) => fileURLToPath(new URL(path, import.meta.url))
const peers = here('peers')
export const TOKEN = 'bench-admin-token-0123456789'
const DATABASE = 'gridwhistle'
/** Readings above it are alarms, for every system (bench/rules/probe.yaml). */
const LIMIT = '8'

/** One of the things compared, running, with an empty InfluxDB of its own behind it. */
export interface System {
  readonly name: string
  /** Arguments of the load generator that reach it. */
  readonly load: readonly string[]
  /** Its HTTP API, and the file with its devices' secrets, where there are such things. */
  readonly http?: { readonly url: string; readonly secrets: string }
  /** Makes the devices known beforehand, where a system wants to know them. */
  register(devices: readonly string[]): Promise<void>
  readonly probeTopic: string
  /** Whose CPU is counted. */
  readonly programs: readonly Program[]
  /** Readings in InfluxDB; null where the system stores nothing. */
  stored(): Promise<number | null>
  stop(): Promise<void>
}

export type SystemName = keyof typeof SYSTEMS

export const SYSTEMS = {
  gridwhistle: () => startGridwhistle(),
  /** Invariant 7: a dead historian never slows the intake by more than a tenth. */
  'gridwhistle, InfluxDB dead': () => startGridwhistle('dead'),
  aedes: startAedes,
  'mosquitto + mqtt.js': () => startMosquitto('mosquitto + mqtt.js', 'subscriber.js', [], /"ready":true/),
  'mosquitto + Node-RED batched': () =>
    startMosquitto('mosquitto + Node-RED batched', 'node-red.js', ['--batched'], /Connected to broker/),
  'mosquitto + Node-RED': () =>
    startMosquitto('mosquitto + Node-RED', 'node-red.js', [], /Connected to broker/),
} satisfies Record<string, () => Promise<System>>

async function startGridwhistle(historian: 'alive' | 'dead' = 'alive'): Promise<System> {
  const influx = await startInflux()
  if (historian === 'dead') await influx.kill()
  const folder = mkdtempSync(join(tmpdir(), 'gridwhistle-bench-'))
  const rules = join(folder, 'rules')
  const secrets = join(folder, 'secrets.json')
  cpSync(here('../rules/packs'), rules, { recursive: true, filter: (file) => !file.includes('test') })
  cpSync(here('rules'), rules, { recursive: true })
  const { program, line } = await Program.launch(
    'gridwhistle',
    process.execPath,
    // As `npm start` and the container do.
    ['--max-semi-space-size=64', here('../cli/gridwhistle.ts'), 'serve'],
    /"ready":true/,
    {
      env: {
        GW_DATA_DIR: join(folder, 'data'),
        GW_ADMIN_TOKEN: TOKEN,
        GW_MQTT_PORT: '0',
        GW_WS_PORT: '0',
        GW_HTTP_PORT: '0',
        GW_HISTORIAN_TYPE: 'influx1',
        GW_HISTORIAN_URL: influx.url,
        GW_HISTORIAN_DATABASE: DATABASE,
        GW_RULES_DIR: rules,
        // The probes are simulated devices, and their orders are what is measured.
        GW_DISPATCH_SIMULATED: 'true',
        GW_LOG_LEVEL: 'error',
      },
    },
  )
  const { mqtt, http } = JSON.parse(line) as { mqtt: number; http: number }
  return {
    name: 'gridwhistle',
    load: [
      '--to',
      `mqtt://127.0.0.1:${mqtt}`,
      '--no-register',
      '--secrets',
      secrets,
      '--probe-secret',
      TOKEN,
    ],
    http: { url: `http://127.0.0.1:${http}`, secrets },
    register: (devices) =>
      registerDevices(
        devices.map((id) => registration(id)),
        new Secrets(secrets),
        {
          httpUrl: `http://127.0.0.1:${http}`,
          token: TOKEN,
        },
      ),
    probeTopic: 'dispatch/+/orders/#',
    programs: [program],
    stored: () => (historian === 'dead' ? Promise.resolve(null) : count(influx)),
    async stop() {
      await program.stop()
      await influx.dispose()
      rmSync(folder, { recursive: true, force: true })
    },
  }
}

async function startAedes(): Promise<System> {
  const { program, line } = await Program.launch('aedes', process.execPath, ['aedes.js'], /"ready":true/, {
    cwd: peers,
  })
  const { mqtt } = JSON.parse(line) as { mqtt: number }
  return {
    name: 'aedes',
    load: ['--no-register', '--to', `mqtt://127.0.0.1:${mqtt}`],
    register: () => Promise.resolve(),
    probeTopic: 'alarms/#',
    programs: [program],
    stored: () => Promise.resolve(null),
    stop: () => program.stop(),
  }
}

async function startMosquitto(
  name: string,
  script: string,
  args: readonly string[],
  ready: RegExp,
): Promise<System> {
  const influx = await startInflux()
  const folder = mkdtempSync(join(tmpdir(), 'gridwhistle-bench-'))
  const port = await freePort()
  const config = join(folder, 'mosquitto.conf')
  // Its defaults drop messages for a subscriber that is 1,000 behind; unlimited is the fairest that it has.
  writeFileSync(
    config,
    `listener ${port} 127.0.0.1\nallow_anonymous true\nmax_inflight_messages 0\nmax_queued_messages 0\nset_tcp_nodelay true\n`,
  )
  const { program: mosquitto } = await Program.launch(
    'mosquitto',
    '/usr/sbin/mosquitto',
    ['-c', config],
    /running/,
  )
  const influxPort = new URL(influx.url).port
  const { program } = await Program.launch(script, process.execPath, [script, ...args], ready, {
    cwd: peers,
    env: {
      MQTT_URL: `mqtt://127.0.0.1:${port}`,
      MQTT_PORT: String(port),
      INFLUX_URL: influx.url,
      INFLUX_PORT: influxPort,
      DATABASE,
      LIMIT,
      FOLDER: join(folder, 'node-red'),
    },
  })
  return {
    name,
    load: ['--no-register', '--to', `mqtt://127.0.0.1:${port}`],
    register: () => Promise.resolve(),
    probeTopic: 'alarms/#',
    programs: [mosquitto, program],
    stored: () => count(influx),
    async stop() {
      await program.stop()
      await mosquitto.stop()
      await influx.dispose()
      rmSync(folder, { recursive: true, force: true })
    },
  }
}

async function startInflux(): Promise<Influxd> {
  const influx = await Influxd.launch()
  await influx.query(`CREATE DATABASE ${DATABASE}`)
  return influx
}

async function count(influx: Influxd): Promise<number> {
  const rows = await influx.query('SELECT count(fume) FROM cooking_fume', DATABASE)
  return Number(rows[0]?.[1] ?? 0)
}
