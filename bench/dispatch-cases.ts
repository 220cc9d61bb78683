/**
 * The queue at 100,000 open and 1,000,000 closed cases: lists, one case and a month's accountability, over a real
 * registry.db: `node bench/dispatch-cases.ts [--open N] [--closed N] [--keep FOLDER]`. Filling it takes minutes; with
 * `--keep` the folder is used again.
 */
import { existsSync, mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { cpus, tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { pino } from 'pino'
import { Cases, type CaseFilter } from '../gateway/dispatch/cases.ts'
import { loadDistrict } from '../gateway/district/district.ts'
import { Database } from '../gateway/registry/database.ts'
import { AccountDesk } from '../gateway/reports/account-desk.ts'
import { Supervision, type SupervisionFilter } from '../gateway/dispatch/supervision.ts'
import { writeHistories } from './case-histories.ts'

const NOW = Date.parse('2026-11-25T12:00:00+08:00')
const ROUNDS = 100

const { values } = parseArgs({
  options: {
    open: { type: 'string', default: '100000' },
    closed: { type: 'string', default: '1000000' },
    keep: { type: 'string' },
  },
})
const folder = values.keep ?? mkdtempSync(join(tmpdir(), 'gridwhistle-cases-'))
mkdirSync(folder, { recursive: true })
const file = join(folder, 'registry.db')
const isNew = !existsSync(file)
const database = new Database(file)
const cases = new Cases(database)
if (isNew) {
  const amount = { open: Number(values.open), closed: Number(values.closed), now: NOW }
  const log = pino({ level: 'silent' })
  writeHistories(database, loadDistrict(), amount, log, (done) => {
    if (process.stderr.isTTY) process.stderr.write(`\r${done} cases`)
  })
}

function measured(work: (round: number) => void): { p50: number; p99: number } {
  const times: number[] = []
  for (let round = 0; round < ROUNDS; round++) {
    const began = performance.now()
    work(round)
    times.push(performance.now() - began)
  }
  times.sort((a, b) => a - b)
  return { p50: times[Math.ceil(ROUNDS * 0.5) - 1]!, p99: times[Math.ceil(ROUNDS * 0.99) - 1]! }
}

function show(name: string, { p50, p99 }: { p50: number; p99: number }): void {
  process.stdout.write(`| ${name} | ${p50.toFixed(1)} | ${p99.toFixed(1)} |\n`)
}

const LISTS: Readonly<Record<string, CaseFilter>> = {
  all: {},
  open: { open: true },
  closed: { open: false },
  'of a street': { streets: ['wenfeng'] },
  'open, of a street': { open: true, streets: ['wenfeng'] },
  'of a team': { team: 'wenfeng-crew' },
  'open, of a team': { open: true, team: 'wenfeng-crew' },
  'as a team reads them': { reader: 'wenfeng-crew' },
  'of a site': { site: 'site-17' },
  'suspended (there are none)': { states: ['suspended'] },
  void: { states: ['void'] },
  red: { severity: 'red' },
  'a rare category': { category: 'hazmat' },
  'a rare category of a street': { category: 'hazmat', streets: ['wenfeng'] },
  'a category and a severity that never meet': { category: 'hazmat', severity: 'blue' },
  'open, supervised': { open: true, supervised: true },
  'a month of a street': { streets: ['wenfeng'], from: NOW - 60 * 86_400_000, to: NOW - 30 * 86_400_000 },
}

const SUPERVISED: Readonly<Record<string, SupervisionFilter>> = {
  all: {},
  'of a street': { streets: ['wenfeng'] },
  'of a team that has none': { team: 'nobody' },
  red: { deadlineColour: 'red' },
}

process.stdout.write(`Machine: ${cpus().length} cores (${cpus()[0]!.model}), Node.js ${process.version}\n\n`)
process.stdout.write('| 100 cases of a list | p50 ms | p99 ms |\n| --- | --: | --: |\n')
for (const [name, filter] of Object.entries(LISTS))
  show(
    name,
    measured(() => void cases.list(filter, 100)),
  )
const supervision = new Supervision(database)
for (const [name, filter] of Object.entries(SUPERVISED))
  show(
    `supervision with its counts, ${name}`,
    measured(() => {
      supervision.list(filter, NOW, 100)
      supervision.counts(filter)
    }),
  )
const some = cases.list({ open: true }, 500).items.map(({ id }) => id)
show(
  'one case',
  measured((round) => void cases.get(some[round % some.length]!)),
)
show(
  'cases that are due',
  measured(() => void cases.due(NOW, 100)),
)

const desk = new AccountDesk(file)
const [from, to] = ['2026-10-01', '2026-11-01'].map((day) => Date.parse(`${day}T00:00:00+08:00`)) as [
  number,
  number,
]
for (const by of ['street', 'team', 'rule'] as const) {
  const began = performance.now()
  const { total } = await desk.ask({ from, to, now: NOW, simulated: false, by: [by] })
  const seconds = ((performance.now() - began) / 1000).toFixed(2)
  process.stdout.write(`\nA month by ${by}: ${total.received} cases, ${seconds} s`)
}
process.stdout.write('\n')
await desk.stop()
database.close()
if (values.keep === undefined) rmSync(folder, { recursive: true })
