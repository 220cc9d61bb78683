/** What the judge's tests share: a folder with a journal, a book and a judge, a clock that stands still, a history. */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pino } from 'pino'
import { xorshift128plus } from 'pure-rand/generator/xorshift128plus'
import { uniformInt } from 'pure-rand/distribution/uniformInt'
import { SqliteJournal } from '../journal/journal.ts'
import { EMPTY_WORLD } from '../../rules/plan.ts'
import type { Alarm, AlarmBook } from '../model/alarm.ts'
import type { Device, DeviceDirectory } from '../model/device.ts'
import type { Flag, MetricValue, Origin, Reading } from '../model/reading.ts'
import type { Rule } from '../model/rule.ts'
import { Database } from '../registry/database.ts'
import { Judge, type JudgeParts } from './judge.ts'

export const MINUTE = 60_000
export const START = Date.UTC(2024, 5, 1)
export const BOUNDS = { latenessMs: 5 * MINUTE, staleAfterMs: 60 * MINUTE }

export type Recorded = Omit<Alarm, 'case'>

/** A book that holds the last word on every alarm, and counts the words. */
export class PlainBook implements AlarmBook {
  failure: Error | null = null
  readonly #database: Database

  constructor(database: Database) {
    database.migrate(
      'plain-book',
      'CREATE TABLE plain_book (id TEXT PRIMARY KEY, alarm TEXT NOT NULL) STRICT',
    )
    this.#database = database
  }

  record(alarm: Recorded): void {
    if (this.failure !== null) throw this.failure
    this.#database.sql
      .prepare('INSERT OR REPLACE INTO plain_book (id, alarm) VALUES (?, ?)')
      .run(alarm.id, JSON.stringify(alarm))
  }

  *firing(): Iterable<Alarm> {
    for (const alarm of this.all()) if (alarm.state === 'firing') yield { ...alarm, case: null }
  }

  all(): Recorded[] {
    const rows = this.#database.sql.prepare('SELECT alarm FROM plain_book ORDER BY id').all()
    return rows.map((row) => JSON.parse(row['alarm'] as string) as Recorded)
  }

  /** What counts in the end. */
  settled(): Recorded[] {
    return this.all().filter(({ state }) => state !== 'withdrawn')
  }
}

/** Journal, registry and judge over one folder. */
export class Court {
  now = START
  readonly journal: SqliteJournal
  readonly database: Database
  readonly book: PlainBook
  judge: Judge
  readonly #parts: Omit<JudgeParts, 'rules'>

  constructor(folder: string, rules: readonly Rule[], parts: Partial<JudgeParts> = {}) {
    const log = pino({ level: 'silent' })
    const clock = { now: () => this.now }
    this.journal = new SqliteJournal({
      file: join(folder, 'journal.db'),
      keepMs: 3_600_000,
      maxPendingBytes: 64 * 1024 * 1024,
      quarantineKeep: 10,
      storedBy: 'rules',
      clock,
      log,
    })
    this.database = new Database(join(folder, 'registry.db'))
    this.book = new PlainBook(this.database)
    const { journal, database, book } = this
    this.#parts = {
      journal,
      database,
      book,
      config: BOUNDS,
      clock,
      log,
      reconnectMs: 0,
      devices: everyDevice(() => true),
      world: EMPTY_WORLD,
      ...parts,
    }
    this.judge = new Judge({ ...this.#parts, rules })
  }

  /** Another judge over the same files, as after a restart; the former one is left as a crash would leave it. */
  newJudge(rules: readonly Rule[]): Judge {
    this.judge = new Judge({ ...this.#parts, rules })
    return this.judge
  }

  async start(): Promise<this> {
    await this.journal.start()
    await this.judge.start()
    return this
  }

  async stop(): Promise<void> {
    await this.judge.stop()
    await this.journal.stop()
    this.database.close()
  }

  /** Journals a reading `at` minutes, received at once. */
  async at(
    minute: number,
    metrics: Record<string, MetricValue>,
    origin: Origin = originOf('d'),
  ): Promise<void> {
    const ts = START + minute * MINUTE
    this.now = Math.max(this.now, ts)
    await append(this.journal, origin, this.now, [{ ts, metrics }])
  }
}

/** Devices of a history ({@link historyOf}): each stands below the next, the last below the first. */
const DEVICES = Array.from({ length: 6 }, (_, index) => `device-${index}`)

/** A directory that knows every device, of kind `k`, for which `isRegistered` says so. */
export function everyDevice(isRegistered: (device: string) => boolean): DeviceDirectory {
  return directory((id) => {
    const { device: _, ...origin } = originOf(id)
    const place = DEVICES.indexOf(id)
    const attributes = place < 0 ? {} : { upstream: DEVICES[(place + 1) % DEVICES.length]! }
    return isRegistered(id) ? { id, ...origin, attributes } : undefined
  }, DEVICES)
}

/** A directory of these devices. */
export function directory(get: (id: string) => Device | undefined, ids: readonly string[]): DeviceDirectory {
  return {
    get,
    origin: (id) => (get(id) === undefined ? undefined : originOf(id, get(id)!.kind)),
    all: () => ids.flatMap((id) => get(id) ?? []),
  }
}

export function originOf(device: string, kind = 'k'): Origin {
  return { device, kind, site: `${device}-site`, street: 'wenfeng', grid: 'wenfeng-001' }
}

export function append(
  journal: SqliteJournal,
  origin: Origin,
  receivedAt: number,
  readings: readonly Reading[],
): Promise<void> {
  const body = Buffer.from(JSON.stringify(readings))
  return journal.append({ entry: { origin, receivedAt, body, readings }, duplicates: 0, refusals: [] })
}

export function newFolder(): { readonly path: string; remove(): void } {
  const path = mkdtempSync(join(tmpdir(), 'gridwhistle-judge-'))
  return { path, remove: () => rmSync(path, { recursive: true, force: true }) }
}

export function rule(severity: Rule['severity'], more: Partial<Rule> = {}): Rule {
  return { id: 'r', version: 1, kind: 'k', title: { en: 'r', zh: 'r' }, basis: 'test', severity, ...more }
}

/** Rules with every kind of leaf and clock. */
export const RULES: readonly Rule[] = [
  rule(
    {
      yellow: { metric: 'x', mean: '2m', above: 4 },
      orange: {
        all: [
          { metric: 'x', mean: '2m', above: 5 },
          { metric: 'fan', is: true },
        ],
      },
      red: { metric: 'x', above: 9 },
    },
    { id: 'ladder', for: '40s', clear: { when: { metric: 'x', mean: '2m', below: 4.5 }, for: '50s' } },
  ),
  rule({ blue: { absent: '45s' }, yellow: { absent: '2m' } }, { id: 'silent', clear: { for: '10s' } }),
  rule({ blue: { metric: 'x', outside: [1, 9] } }, { id: 'at-once' }),
  rule(
    {
      orange: {
        all: [
          { metric: 'x', above: 5 },
          { of: 'upstream', metric: 'x', below: 5 },
        ],
      },
    },
    { id: 'between', for: '20s' },
  ),
]

/** The same a while later: one rule edited, one removed, one new. */
export const CHANGED_RULES: readonly Rule[] = [
  {
    ...RULES[0]!,
    version: 2,
    severity: { yellow: { metric: 'x', mean: '3m', above: 5 }, red: { metric: 'x', above: 8 } },
    for: '60s',
    clear: { for: '20s' },
  },
  RULES[1]!,
  rule({ red: { all: [{ metric: 'x', above: 6 }, { absent: '90s' }] } }, { id: 'new' }),
]

export interface Arrival {
  readonly origin: Origin
  readonly receivedAt: number
  readonly reading: Reading
}

/** Readings of `devices` devices in the order in which they arrive: late within the bound, doubled, flagged. */
export function historyOf(devices: number, count: number, seed: number): Arrival[] {
  const random = xorshift128plus(seed)
  const chance = (below: number) => uniformInt(random, 0, below - 1)
  const origins = Array.from({ length: devices }, (_, index) => originOf(`device-${index}`))
  const clocks = origins.map(() => START)
  const arrivals: Arrival[] = []
  while (arrivals.length < count) {
    const device = chance(devices)
    const ts = (clocks[device]! += [1000, 5000, 10_000, 10_000, 20_000, 50_000, 130_000][chance(7)]!)
    const flags: Record<string, Flag> = { x: chance(10) === 0 ? 'M' : 'N' }
    const reading = {
      ts,
      metrics: { x: chance(11), ...(chance(3) === 0 ? { fan: chance(2) === 0 } : {}) },
      flags,
    }
    const delay = chance(4) === 0 ? chance(BOUNDS.latenessMs) : chance(500)
    arrivals.push({ origin: origins[device]!, receivedAt: ts + delay, reading })
    if (chance(10) === 0) arrivals.push({ origin: origins[device]!, receivedAt: ts + delay + 1000, reading })
  }
  return arrivals.sort((a, b) => a.receivedAt - b.receivedAt)
}
