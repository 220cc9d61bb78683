/**
 * An alarm storm through the real gateway: 1,000 devices, each on its own MQTT connection and at a site of its own, go
 * over the limit within one second. Every case must be queued and announced on MQTT within 2 s, none lost or doubled;
 * a webhook hears of each, and a robot gets a few merged messages. `npm run bench:storm [-- --alarms 1000 --runs 3]`
 *
 * Everything shares the machine: the gateway, the thousand clients, the receivers. So the CPU that the gateway needed
 * stands beside the times.
 */
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { cpus, release, tmpdir, totalmem } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { connectAsync, type MqttClient } from 'mqtt'
import { CpuWatch, Program } from './processes.ts'

const { values: flags } = parseArgs({
  options: { alarms: { type: 'string', default: '1000' }, runs: { type: 'string', default: '3' } },
})
const ALARMS = Number(flags.alarms)
const RUNS = Number(flags.runs)
const TOKEN = 'bench-admin-token-0123456789'
const TARGET_MS = 2000
/** The storm's readings leave within so long. */
const SPREAD_MS = 1000
const GIVE_UP_MS = 30_000
const STREETS = ['tangzhazhen', 'hongqiao', 'wenfeng', 'qinzao', 'chenqiao']

const here = (path: string) => fileURLToPath(new URL(path, import.meta.url))
const say = (text: string) => process.stderr.write(`${text}\n`)

interface Run {
  /** From the first reading until the last order, ms. */
  readonly lastOrder: number
  /** From a reading until its order, ms. */
  readonly p50: number
  readonly p99: number
  readonly lost: number
  readonly doubled: number
  readonly cases: number
  readonly webhookLast: number
  readonly webhookEvents: number
  readonly robotMessages: number
  /** Of the gateway, from the first reading until the last order, s. */
  readonly cpu: number
}

async function storm(): Promise<Run> {
  const folder = mkdtempSync(join(tmpdir(), 'gridwhistle-storm-'))
  const events: number[] = []
  const messages: number[] = []
  const webhook = await receiver(() => events.push(Date.now()), '')
  const robot = await receiver(() => messages.push(Date.now()), '{"errcode":0,"errmsg":"ok"}')
  const { program, line } = await Program.launch(
    'gridwhistle',
    process.execPath,
    ['--max-semi-space-size=64', here('../cli/gridwhistle.ts'), 'serve'],
    /"ready":true/,
    {
      env: {
        GW_DATA_DIR: folder,
        GW_ADMIN_TOKEN: TOKEN,
        GW_MQTT_PORT: '0',
        GW_WS_PORT: '0',
        GW_HTTP_PORT: '0',
        GW_RULES_DIR: here('../test/crash/rules'),
        GW_ANNOUNCE_ALLOW_ADDRESSES: '[127.0.0.0/8]',
        GW_ANNOUNCE_ALLOW_HTTP: 'true',
        GW_LOG_LEVEL: 'error',
      },
    },
  )
  const { http, mqtt } = JSON.parse(line) as { http: number; mqtt: number }
  const api = async <T>(method: string, path: string, body?: unknown): Promise<T> => {
    const response = await fetch(`http://127.0.0.1:${http}/api/v1/${path}`, {
      method,
      headers: { authorization: `Bearer ${TOKEN}`, 'content-type': 'application/json' },
      ...(body !== undefined && { body: JSON.stringify(body) }),
    })
    if (response.status === 429) {
      // A quick machine registers more devices in a second than one address may send requests.
      await sleep(1000)
      return await api<T>(method, path, body)
    }
    if (!response.ok) throw new Error(`${method} ${path}: ${response.status} ${await response.text()}`)
    return (await response.json()) as T
  }
  const clients: MqttClient[] = []
  try {
    const { secret } = await api<{ secret: string }>('POST', 'users', { name: 'watch', role: 'district' })
    await api('POST', 'subscriptions', { type: 'webhook', url: `${webhook.url}/hook` })
    await api('POST', 'subscriptions', { type: 'wecom', url: `${robot.url}/send?key=K` })
    const devices = Array.from({ length: ALARMS }, (_, number) => `storm-${number}`)
    const secrets = new Map<string, string>()
    await eachOf(devices, 20, async (id, number) => {
      const street = STREETS[number % STREETS.length]!
      const made = await api<{ secret: string }>('POST', 'devices', {
        id,
        kind: 'cooking_fume',
        site: `site-${id}`,
        street,
        grid: `${street}-001`,
        position: [120.8239, 32.0616],
      })
      secrets.set(id, made.secret)
    })
    const connect = async (username: string, password: string) => {
      const client = await connectAsync(`mqtt://127.0.0.1:${mqtt}`, {
        username,
        password,
        clientId: username,
        reconnectPeriod: 0,
        keepalive: 300,
      })
      clients.push(client)
      return client
    }
    const watch = await connect('watch', secret)
    const sentAt = new Map<string, number>()
    const orderAt = new Map<string, number>()
    const seen = new Set<string>()
    let doubled = 0
    watch.on('message', (topic, payload) => {
      const at = Date.now()
      const order = JSON.parse(payload.toString()) as { site: string; version: number }
      if (seen.has(`${topic} ${order.version}`)) doubled += 1
      seen.add(`${topic} ${order.version}`)
      if (!orderAt.has(order.site)) orderAt.set(order.site, at)
    })
    await watch.subscribeAsync('dispatch/+/orders/+', { qos: 1 })
    const senders = new Map<string, MqttClient>()
    await eachOf(devices, 50, async (id) => {
      senders.set(id, await connect(id, secrets.get(id)!))
    })
    // A quiet moment, so that connecting is not what is measured.
    await sleep(1000)

    const cpu = new CpuWatch([program])
    const began = Date.now()
    for (let sent = 0; sent < ALARMS;) {
      const due = Math.min(ALARMS, Math.floor(((Date.now() - began) / SPREAD_MS) * ALARMS) + 1)
      for (; sent < due; sent++) {
        const id = devices[sent]!
        sentAt.set(`site-${id}`, Date.now())
        senders
          .get(id)!
          .publish(`v1/${id}/readings`, JSON.stringify({ metrics: { fume: 9, fan: true } }), { qos: 1 })
      }
      await sleep(1)
    }
    const spread = Date.now() - began
    if (spread > SPREAD_MS * 1.2) say(`the readings took ${spread} ms to leave: this machine is busy`)
    for (let waited = 0; orderAt.size < ALARMS && waited < GIVE_UP_MS; waited += 10) await sleep(10)
    const lastOrder = Math.max(...orderAt.values())
    const used = cpu.stop(began, lastOrder)['gridwhistle']!
    for (let waited = 0; events.length < ALARMS && waited < GIVE_UP_MS; waited += 10) await sleep(10)
    const webhookLast = events.at(-1) ?? Number.NaN
    // What is doubled would come about now, and the robot's merged message after its pause.
    await sleep(11_000)
    const delays = [...orderAt].map(([site, at]) => at - sentAt.get(site)!).sort((a, b) => a - b)
    return {
      lastOrder: lastOrder - began,
      p50: delays[delays.length >> 1]!,
      p99: delays[Math.floor(delays.length * 0.99)]!,
      lost: ALARMS - orderAt.size,
      doubled,
      cases: await openCases(api),
      webhookLast: webhookLast - began,
      webhookEvents: events.length,
      robotMessages: messages.length,
      cpu: used,
    }
  } finally {
    for (const client of clients) client.end(true)
    await program.stop()
    webhook.server.close()
    robot.server.close()
    rmSync(folder, { recursive: true, force: true })
  }
}

async function openCases(api: <T>(method: string, path: string) => Promise<T>): Promise<number> {
  let count = 0
  let cursor: string | undefined
  do {
    const more = cursor === undefined ? '' : `&cursor=${encodeURIComponent(cursor)}`
    const page = await api<{ items: unknown[]; cursor?: string }>('GET', `cases?open=true&limit=500${more}`)
    count += page.items.length
    cursor = page.cursor
  } while (cursor !== undefined)
  return count
}

async function receiver(heard: () => void, answer: string): Promise<{ server: Server; url: string }> {
  const server = createServer((request, response) => {
    request.resume().on('end', () => {
      heard()
      response.end(answer)
    })
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return { server, url: `http://127.0.0.1:${(server.address() as AddressInfo).port}` }
}

async function eachOf<T>(
  items: readonly T[],
  atOnce: number,
  work: (item: T, index: number) => Promise<void>,
): Promise<void> {
  let next = 0
  const worker = async () => {
    while (next < items.length) {
      const index = next++
      await work(items[index]!, index)
    }
  }
  await Promise.all(Array.from({ length: atOnce }, worker))
}

const found: Run[] = []
for (let number = 1; number <= RUNS; number++) {
  say(`storm: run ${number} of ${RUNS}`)
  found.push(await storm())
}

const seconds = (ms: number) => (ms / 1000).toFixed(2)
const row = (cells: readonly (string | number)[]) => `| ${cells.join(' | ')} |\n`
let text = `Machine: ${cpus().length} cores (${cpus()[0]?.model}), ${Math.round(totalmem() / 2 ** 30)} GiB, Linux ${release()}, Node.js ${process.version}. ${ALARMS} alarms in one second.\n\n`
text += row([
  'run',
  'last order after s',
  '→ order p50 ms',
  '→ order p99 ms',
  'cases',
  'lost',
  'doubled',
  'webhook: events, last after s',
  'robot messages',
  'CPU of the gateway s',
])
text += row(['---', '--:', '--:', '--:', '--:', '--:', '--:', '--:', '--:', '--:'])
for (const [index, run] of found.entries())
  text += row([
    index + 1,
    seconds(run.lastOrder),
    run.p50,
    run.p99,
    run.cases,
    run.lost,
    run.doubled,
    `${run.webhookEvents}, ${seconds(run.webhookLast)}`,
    run.robotMessages,
    run.cpu.toFixed(2),
  ])
process.stdout.write(text)
const good = (run: Run) =>
  run.lost === 0 && run.doubled === 0 && run.cases === ALARMS && run.lastOrder <= TARGET_MS
process.exitCode = found.every(good) ? 0 : 1
