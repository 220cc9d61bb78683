/**
 * A gateway with 100,000 open and 1,000,000 closed cases, over HTTP: its start, lists as an admin, a street and a team
 * ask for them, one case, actions, and a month's accountability.
 *
 *   node bench/dispatch-cases.ts [--registry FOLDER] [--open N] [--closed N] [--rounds N] [--overdue]
 *
 * Filling the registry takes minutes. With `--registry` it is made there once, and each run works on a copy of it.
 * `--overdue` starts after an outage in which every clock that runs has passed.
 */
import { copyFileSync, existsSync, mkdirSync, mkdtempSync, readFileSync, renameSync, rmSync } from 'node:fs'
import { cpus, loadavg, tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { pino } from 'pino'
import { loadDistrict } from '../gateway/district/district.ts'
import type { Case } from '../gateway/model/case.ts'
import { Database } from '../gateway/registry/database.ts'
import { writeHistories } from './case-histories.ts'
import { cpuSeconds, Program, residentBytes } from './processes.ts'
import { TOKEN } from './systems.ts'

const { values: flags } = parseArgs({
  options: {
    open: { type: 'string', default: '100000' },
    closed: { type: 'string', default: '1000000' },
    rounds: { type: 'string', default: '100' },
    registry: { type: 'string' },
    overdue: { type: 'boolean', default: false },
  },
})
const ROUNDS = Number(flags.rounds)
/** When the made cases end. */
const NOW = Date.parse('2026-11-25T12:00:00+08:00')
const STREET = 'wenfeng'
const TEAM = 'wenfeng-crew'
const POSITION = [120.892, 31.99]
const READY_MS = 600_000

const LISTS = {
  admin: [
    '',
    'open=true',
    'open=false',
    `street=${STREET}`,
    `open=true&street=${STREET}`,
    `team=${TEAM}`,
    `open=true&team=${TEAM}`,
    'site=site-17',
    'state=suspended',
    'state=void',
    'severity=red',
    'category=hazmat',
    `category=hazmat&street=${STREET}`,
    'category=hazmat&severity=blue',
    'open=true&supervised=true',
    'open=true&deadlineColour=yellow',
    `open=false&supervised=true&severity=red&street=${STREET}`,
    `team=${TEAM}&severity=red&state=void`,
    `street=${STREET}&category=flood&supervised=true&state=closed`,
    'proposal=verify',
    `street=${STREET}&MONTH`,
  ],
  street: ['', 'open=true', 'severity=red', 'state=void&category=gas', `team=${TEAM}&open=true`],
  team: ['', 'open=true', 'severity=red', 'state=void&category=gas', 'proposal=verify'],
}

const here = (path: string) => fileURLToPath(new URL(path, import.meta.url))
const say = (text: string) => void process.stdout.write(`${text}\n`)
const folder = mkdtempSync(join(tmpdir(), 'gridwhistle-cases-'))
const delays = join(folder, 'loop-delay.json')

let failed: unknown
let program: Program | undefined
try {
  prepare()
  await run()
} catch (error) {
  failed = error
} finally {
  await program?.stop()
  rmSync(folder, { recursive: true, force: true })
}
if (failed !== undefined) throw failed

/** A registry of its own for this run. */
function prepare(): void {
  const kept = flags.registry ?? folder
  mkdirSync(kept, { recursive: true })
  const file = join(kept, 'registry.db')
  if (!existsSync(file)) {
    const making = `${file}.making`
    rmSync(making, { force: true })
    const database = new Database(making)
    const amount = { open: Number(flags.open), closed: Number(flags.closed), now: NOW }
    writeHistories(database, loadDistrict(), amount, pino({ level: 'silent' }), (done) => {
      if (process.stderr.isTTY) process.stderr.write(`\r${done} cases`)
    })
    database.close()
    renameSync(making, file)
  }
  if (kept !== folder) copyFileSync(file, join(folder, 'registry.db'))
  if (!flags.overdue) return
  const database = new Database(join(folder, 'registry.db'))
  database.sql.exec(
    `UPDATE cases SET next_colour_at = queued_at + respond_ms WHERE next_colour_at IS NOT NULL AND deadline_colour = 'none'`,
  )
  database.close()
}

async function run(): Promise<void> {
  say(
    `Machine: ${cpus().length} cores (${cpus()[0]!.model}), Node.js ${process.version}, load ${loadavg()[0]!.toFixed(0)}\n`,
  )
  const began = performance.now()
  const launched = await Program.launch(
    'gridwhistle',
    process.execPath,
    ['--import', here('loop-delay.ts'), here('../cli/gridwhistle.ts'), 'serve'],
    /"ready":true/,
    {
      readyMs: READY_MS,
      env: {
        GW_DATA_DIR: folder,
        GW_ADMIN_TOKEN: TOKEN,
        GW_MQTT_PORT: '0',
        GW_WS_PORT: '0',
        GW_HTTP_PORT: '0',
        GW_LOG_LEVEL: 'error',
        BENCH_LOOP_DELAY: delays,
      },
    },
  )
  program = launched.program
  const { pid } = program
  const { http } = JSON.parse(launched.line) as { http: number }
  say(
    '| start | wall s | CPU s | longest stretch of the main thread, CPU ms (wall) |\n| --- | --: | --: | --: |',
  )
  const started = (performance.now() - began) / 1000
  say(`| until ready | ${started.toFixed(1)} | ${cpuSeconds(pid).toFixed(1)} | ${await longest(pid)} |`)
  const busySince = [performance.now(), cpuSeconds(pid)] as const
  await quiet(pid)
  say(
    `| telling every order once more${flags.overdue ? ', and every clock' : ''} | ${((performance.now() - busySince[0]) / 1000).toFixed(1)} | ` +
      `${(cpuSeconds(pid) - busySince[1]).toFixed(1)} | ${await longest(pid)} |\n`,
  )

  const call = async (path: string, token: string, body?: unknown) => {
    const response = await fetch(`http://127.0.0.1:${http}/api/v1/${path}`, {
      method: body === undefined ? 'GET' : 'POST',
      headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json' },
      ...(body !== undefined && { body: JSON.stringify(body) }),
    })
    const text = await response.text()
    if (!response.ok) throw new Error(`${path}: ${response.status} ${text.slice(0, 300)}`)
    return text
  }
  const secretOf = async (name: string, of: Record<string, unknown>) =>
    (JSON.parse(await call('users', TOKEN, { name, ...of })) as { secret: string }).secret
  const tokens = {
    admin: TOKEN,
    street: await secretOf('bench-street', { role: 'street', street: STREET }),
    team: await secretOf('bench-team', { role: 'team', team: TEAM }),
  }
  /** Measures and tells. */
  const measure = async (name: string, rounds: number, work: (round: number) => Promise<string>) => {
    // The first answer finds neither its statements prepared nor its pages read.
    const first = performance.now()
    let answer = await work(0)
    const cold = performance.now() - first
    const cpu = cpuSeconds(pid)
    const times: number[] = []
    for (let round = 1; round <= rounds; round++) {
      const from = performance.now()
      answer = await work(round)
      times.push(performance.now() - from)
    }
    times.sort((a, b) => a - b)
    const at = (share: number) => times[Math.ceil(times.length * share) - 1]!.toFixed(1)
    const mean = (((cpuSeconds(pid) - cpu) * 1000) / rounds).toFixed(1)
    say(`| ${name} | ${cold.toFixed(0)} | ${at(0.5)} | ${at(0.99)} | ${mean} |`)
    return answer
  }

  say(
    '| over HTTP | first ms | p50 ms | p99 ms | CPU of the gateway, mean ms |\n| --- | --: | --: | --: | --: |',
  )
  const month = `from=${new Date(NOW - 60 * 86_400_000).toISOString()}&to=${new Date(NOW - 30 * 86_400_000).toISOString()}`
  for (const [who, queries] of Object.entries(LISTS))
    for (const query of queries) {
      const path = `cases?${query.replace('MONTH', month)}`
      const token = tokens[who as keyof typeof tokens]
      const name = `${who}: ${query === '' ? 'all' : query.replace('MONTH', 'a month')}`
      const answer = await measure(name, ROUNDS, () => call(path, token))
      const { items, cursor } = JSON.parse(answer) as { items: unknown[]; cursor?: string }
      if (items.length < 100)
        say(`| … ${items.length} cases${cursor === undefined ? '' : ', and more to look at'} | | | | |`)
    }
  const cursor = (JSON.parse(await call('cases?limit=1000', TOKEN)) as { cursor: string }).cursor
  await measure('admin: a later page', ROUNDS, () =>
    call(`cases?cursor=${encodeURIComponent(cursor)}`, TOKEN),
  )
  const queued = `cases?open=true&state=dispatched&team=${TEAM}&limit=${ROUNDS + 1}`
  const ids = (JSON.parse(await call(queued, TOKEN)) as { items: Case[] }).items.map(({ id }) => id)
  await measure('one case', ROUNDS, (round) => call(`cases/${ids[round % ids.length]}`, tokens.team))
  for (const action of ['accept', 'arrive', 'handle'])
    await measure(`team: ${action}`, ids.length - 1, (round) =>
      call(`cases/${ids[round]}/actions`, tokens.team, {
        action,
        position: POSITION,
        actionId: `${action}-${round}`,
      }),
    )
  await measure('street: verify', ids.length - 1, (round) =>
    call(`cases/${ids[round]}/actions`, tokens.street, { action: 'verify', note: 'seen' }),
  )
  for (const query of ['', `?street=${STREET}`, '?deadlineColour=red'])
    await measure(`admin: supervision${query}`, ROUNDS, () => call(`supervision${query}`, TOKEN))
  for (const by of ['street', 'team', 'category', 'rule', 'day'])
    await measure(`accountability of a month by ${by}`, 2, () =>
      call(`stats/accountability?month=2026-10&by=${by}`, TOKEN),
    )
  await measure('accountability of a month of a street', 2, () =>
    call('stats/accountability?month=2026-10&by=team', tokens.street),
  )
  await measure('accountability of a month, the page to print', 2, () =>
    call('stats/accountability?month=2026-10&format=html', TOKEN),
  )
  say(`\nLongest stretch of the main thread meanwhile: ${await longest(pid)} ms CPU (wall).`)
  say(
    `Resident: ${Math.round(residentBytes(pid) / 2 ** 20)} MiB. Load at the end: ${loadavg()[0]!.toFixed(0)}.`,
  )
}

/** Since it was asked last. */
async function longest(pid: number): Promise<string> {
  rmSync(delays, { force: true })
  process.kill(pid, 'SIGUSR2')
  while (!existsSync(delays)) await new Promise((resolve) => setTimeout(resolve, 10))
  const { maxMs, cpuMs } = JSON.parse(readFileSync(delays, 'utf8')) as { maxMs: number; cpuMs: number }
  return `${cpuMs.toFixed(0)} (${maxMs.toFixed(0)})`
}

/** Until it has been idle for two seconds. */
async function quiet(pid: number): Promise<void> {
  for (let idle = 0; idle < 4;) {
    const before = cpuSeconds(pid)
    await new Promise((resolve) => setTimeout(resolve, 500))
    idle = cpuSeconds(pid) - before <= 0.03 ? idle + 1 : 0
  }
}
