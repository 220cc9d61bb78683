/**
 * 200 crews act at once on a real gateway, half of them over HTTP and half over MQTT: all of them want every case, and
 * each sends its acceptance twice under one `actionId`. Fails unless exactly one wins each case, every other is told
 * who did, and every action that was answered with yes is in its timeline, once.
 *
 *   node bench/dispatch-crews.ts [--crews 200] [--cases 20]
 */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { connectAsync, type MqttClient } from 'mqtt'
import type { Case } from '../gateway/model/case.ts'
import { CpuWatch, Program } from './processes.ts'
import { TOKEN } from './systems.ts'

const { values: flags } = parseArgs({
  options: { crews: { type: 'string', default: '200' }, cases: { type: 'string', default: '20' } },
})
const CREWS = Number(flags.crews)
const CASES = Number(flags.cases)
const TEAM = 'wenfeng-crew'
const POSITION = [120.892, 31.99]

/** What became of an action, over either wire. */
interface Answer {
  readonly ok: boolean
  /** Who was quicker. */
  readonly by: string | undefined
  readonly ms: number
}
interface Crew {
  readonly name: string
  act(caseId: string, body: Record<string, unknown>): Promise<Answer>
}

const here = (path: string) => fileURLToPath(new URL(path, import.meta.url))
const folder = mkdtempSync(join(tmpdir(), 'gridwhistle-crews-'))
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
      GW_LOG_LEVEL: 'error',
    },
  },
)
const ports = JSON.parse(line) as { http: number; mqtt: number }
const clients: MqttClient[] = []
let failed = false
try {
  failed = await run()
} finally {
  for (const client of clients) client.end(true)
  await program.stop()
  rmSync(folder, { recursive: true, force: true })
}
process.exitCode = failed ? 1 : 0

async function call(method: string, path: string, token: string, body?: unknown) {
  const response = await fetch(`http://127.0.0.1:${ports.http}/api/v1/${path}`, {
    method,
    headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json' },
    ...(body !== undefined && { body: JSON.stringify(body) }),
  })
  return { status: response.status, body: (await response.json()) as Record<string, unknown> }
}

function overHttp(name: string, secret: string): Crew {
  return {
    name,
    act: async (caseId, body) => {
      const began = performance.now()
      const { status, body: answer } = await call('POST', `cases/${caseId}/actions`, secret, body)
      if (status !== 200 && status !== 409) throw new Error(`${name}: ${status} ${JSON.stringify(answer)}`)
      const by = answer['by'] as string | undefined
      return { ok: status === 200, by, ms: performance.now() - began }
    },
  }
}

async function overMqtt(name: string, secret: string): Promise<Crew> {
  const client = await connectAsync(`mqtt://127.0.0.1:${ports.mqtt}`, {
    username: name,
    password: secret,
    clientId: name,
    reconnectPeriod: 0,
  })
  clients.push(client)
  const waiting = new Map<string, ((answer: Record<string, unknown>) => void)[]>()
  client.on('message', (_topic, payload) => {
    const answer = JSON.parse(payload.toString()) as Record<string, unknown>
    waiting.get(answer['actionId'] as string)?.shift()?.(answer)
  })
  // The results of all users of the team come here; the action's id tells whose they are.
  await client.subscribeAsync(`dispatch/${TEAM}/results`, { qos: 1 })
  return {
    name,
    act: async (caseId, body) => {
      const began = performance.now()
      const id = body['actionId'] as string
      const answer = new Promise<Record<string, unknown>>((resolve) => {
        waiting.set(id, [...(waiting.get(id) ?? []), resolve])
      })
      await client.publishAsync(`dispatch/${TEAM}/actions`, JSON.stringify({ case: caseId, ...body }), {
        qos: 1,
      })
      const { ok, by } = await answer
      return { ok: ok === true, by: by as string | undefined, ms: performance.now() - began }
    },
  }
}

async function run(): Promise<boolean> {
  const crews: Crew[] = []
  for (let number = 0; number < CREWS; number++) {
    const name = `crew-${number}`
    const made = await call('POST', 'users', TOKEN, { name, role: 'team', team: TEAM })
    const secret = made.body['secret'] as string
    crews.push(number % 2 === 0 ? overHttp(name, secret) : await overMqtt(name, secret))
  }
  const ids = await openCases()
  const cpu = new CpuWatch([program])
  const from = Date.now()
  const took: number[] = []
  let [lost, doubled, untold] = [0, 0, 0]
  for (const id of ids) {
    const answers = await Promise.all(
      crews.flatMap((crew) => {
        const body = { action: 'accept', actionId: `${crew.name}-${id}` }
        return [0, 1].map(async () => ({ crew, ...(await crew.act(id, body)) }))
      }),
    )
    took.push(...answers.map((answer) => answer.ms))
    const winners = new Set(answers.filter((answer) => answer.ok).map(({ crew }) => crew.name))
    const { body } = await call('GET', `cases/${id}`, TOKEN)
    const accepts = (body as unknown as Case).timeline.filter((entry) => entry.action === 'accept')
    for (const name of winners) if (!accepts.some((entry) => entry.actor === name)) lost++
    doubled += accepts.length - 1 + (winners.size - 1)
    untold += answers.filter((answer) => !answer.ok && answer.by !== accepts[0]?.actor).length
    const winner = crews.find((crew) => winners.has(crew.name))!
    // The rest of the work, each step by both copies of the same tap at once.
    for (const action of ['arrive', 'handle']) {
      const step = { action, position: POSITION, actionId: `${action}-${id}` }
      const both = await Promise.all([winner.act(id, step), winner.act(id, step)])
      took.push(...both.map((answer) => answer.ms))
      if (!both.every((answer) => answer.ok)) lost++
    }
    const after = (await call('GET', `cases/${id}`, TOKEN)).body as unknown as Case
    const done = after.timeline.filter((entry) => entry.action === 'arrive' || entry.action === 'handle')
    if (after.state !== 'handled') lost++
    doubled += done.length - 2
  }
  const to = Date.now()
  const cpuSeconds = cpu.stop(from, to)['gridwhistle']!
  took.sort((a, b) => a - b)
  const at = (share: number) => took[Math.min(took.length - 1, Math.floor(took.length * share))]!.toFixed(0)
  process.stdout.write(
    `| crews | cases | actions | lost | doubled | not told who | actions/s | p50 ms | p99 ms | CPU µs an action |\n` +
      `| --: | --: | --: | --: | --: | --: | --: | --: | --: | --: |\n` +
      `| ${CREWS} | ${CASES} | ${took.length} | ${lost} | ${doubled} | ${untold} | ` +
      `${Math.round((took.length * 1000) / (to - from))} | ${at(0.5)} | ${at(0.99)} | ` +
      `${Math.round((cpuSeconds * 1e6) / took.length)} |\n`,
  )
  return lost + doubled + untold > 0
}

/** One for each device, all of one street. */
async function openCases(): Promise<readonly string[]> {
  for (let number = 0; number < CASES; number++) {
    const id = `crews-${number}`
    const place = { site: `site-${id}`, street: 'wenfeng', grid: 'wenfeng-001', position: POSITION }
    await call('POST', 'devices', TOKEN, { id, kind: 'cooking_fume', ...place })
    await call('POST', 'readings', TOKEN, [{ device: id, metrics: { fume: 9, fan: true } }])
  }
  for (let tries = 0; tries < 100; tries++) {
    const { body } = await call('GET', 'cases?open=true&limit=1000', TOKEN)
    const items = body['items'] as readonly Case[]
    if (items.length === CASES) return items.map((found) => found.id)
    await new Promise((resolve) => setTimeout(resolve, 100))
  }
  throw new Error('the cases were not opened within 10 s')
}
