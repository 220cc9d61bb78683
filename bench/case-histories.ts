/**
 * A registry with years of cases, written straight into its tables: what the queue would have written, at a hundred
 * times its speed. The lives are legal ones: most kept their promises, some were late, sent back, reworked, void.
 */
import { createHash } from 'node:crypto'
import type { SQLInputValue } from 'node:sqlite'
import { Alarms } from '../gateway/dispatch/alarms.ts'
import { Cases } from '../gateway/dispatch/cases.ts'
import { facetsOf, LET_READ } from '../gateway/dispatch/case-lists.ts'
import { NOTE_RULE } from '../gateway/dispatch/case-ledger.ts'
import { noted } from '../gateway/dispatch/life.ts'
import { Orders } from '../gateway/dispatch/orders.ts'
import type { CloseCode, TimelineEntry } from '../gateway/model/case.ts'
import type { District } from '../gateway/model/district.ts'
import type { Log } from '../gateway/log.ts'
import type { Database } from '../gateway/registry/database.ts'

const MINUTE = 60_000
const DAY = 1440 * MINUTE
/** Cases in one transaction. */
const BATCH = 20_000

/** Category, family, severity and how often each comes, of a hundred. */
const MATTERS = [
  ['cooking-fume', 'fume-over-limit', 'orange', 38],
  ['cooking-fume', 'fume-purifier-off', 'yellow', 17],
  ['device', 'device-silent', 'blue', 12],
  ['riverbank', 'riverbank-dumping', 'yellow', 10],
  ['river-quality', 'river-class', 'orange', 8],
  ['air', 'air-smoke', 'yellow', 5],
  ['crowd', 'crowd-density', 'orange', 4],
  ['flood', 'flood-warning', 'orange', 3],
  ['gas', 'gas-lel', 'red', 2],
  ['hazmat', 'hazmat-halt', 'red', 1],
] as const

export interface Amount {
  readonly open: number
  readonly closed: number
  /** Cases end here, epoch ms; closed ones lie within the 400 days before, open ones within the last 14. */
  readonly now: number
}

/** Fills the tables; calls `progress` with the number of cases that are there. */
export function writeHistories(
  database: Database,
  district: District,
  { open, closed, now }: Amount,
  log: Log,
  progress: (done: number) => void,
): void {
  const alarms = new Alarms(database)
  void new Orders(database, alarms, new Cases(database), log, false)
  const { sql } = database
  // A file of its own that nothing is lost with.
  sql.exec('PRAGMA synchronous = OFF; PRAGMA journal_mode = OFF; PRAGMA cache_size = -1000000')
  const insert = (table: string, columns: string) =>
    sql.prepare(`INSERT INTO ${table} (${columns}) VALUES (${columns.replaceAll(/[^,]+/g, '?')})`)
  const addCase = insert('cases', CASE_COLUMNS)
  const addEntry = insert('case_timeline', 'case_id,number,entry')
  const addAlarm = insert('alarms', ALARM_COLUMNS)
  const letRead = sql.prepare(LET_READ)
  const noteRule = sql.prepare(NOTE_RULE)
  const addLink = insert('case_alarms', 'case_id,alarm_id')
  const addOrder = insert('case_orders', 'case_id,team,held,version,announced')
  const random = randomFrom(7)
  const total = open + closed
  for (let first = 0; first < total; first += BATCH) {
    database.transaction(() => {
      for (let n = first; n < Math.min(first + BATCH, total); n++) {
        const isOpen = n >= closed
        const queuedAt = isOpen
          ? now - Math.floor(random() * 14 * DAY)
          : now - 400 * DAY + Math.floor((n / closed) * 399 * DAY)
        const made = life(n, isOpen, queuedAt, district, random)
        addCase.run(...made.row)
        made.entries.forEach((entry, index) => addEntry.run(made.id, index + 1, JSON.stringify(entry)))
        addAlarm.run(...made.alarm)
        letRead.run(made.id)
        noteRule.run(made.alarm[1] as string, made.id)
        addLink.run(made.id, made.alarm[0] as string)
        if (isOpen) addOrder.run(made.id, made.team, 1, 2, 2)
      }
    })
    progress(Math.min(first + BATCH, total))
  }
  sql.exec('PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA cache_size = -65536')
}

const CASE_COLUMNS =
  'id,family,site,street,grid,category,title,position,severity,state,level,team,crew,queued_at,respond_ms,' +
  'arrive_ms,resolve_ms,suspended_ms,responded_at,arrived_at,deadline_colour,next_colour_at,supervised,close_code,' +
  'version,teams,facets'
const ALARM_COLUMNS =
  'id,rule,rule_version,device,kind,site,street,grid,severity,state,stale,started_at,cleared_at,peak,value,case_id'

function life(n: number, isOpen: boolean, queuedAt: number, district: District, random: () => number) {
  const matter = pick(random() * 100)
  const [category, family, severity] = matter
  const street = district.streets[Math.floor(random() * district.streets.length)]!
  const grid = `${street.id}-${String(1 + Math.floor(random() * street.grids)).padStart(3, '0')}`
  // Open ones each at a site of their own: one open case for each family and site.
  const site = isOpen ? `site-open-${n}` : `site-${Math.floor(random() * 5000)}`
  const team = `${street.id}-crew`
  const device = `${site}-dev`
  const alarmId = `${device}~${family}~${queuedAt}`
  const day = new Date(queuedAt + 8 * 60 * MINUTE).toISOString().slice(0, 10).replaceAll('-', '')
  const id = `${day}-${family}-${createHash('sha256').update(`${alarmId}${n}`).digest('hex').slice(0, 8)}`
  const entries: TimelineEntry[] = [
    noted(queuedAt, 'opened', { note: alarmId }),
    noted(queuedAt, 'assign', { team }),
  ]
  const by = (at: number, action: string, more: Partial<TimelineEntry> = {}) =>
    entries.push({ ...noted(at, action, more), actor: `${team}-1` })
  const luck = random()
  // Open ones stand at every stage; of the closed one in a hundred is void.
  const stage = isOpen ? Math.floor(random() * 5) : luck < 0.01 ? 1 : 6
  const isSlow = random() < 0.1
  const accepted = queuedAt + (isSlow ? 15 : 4) * MINUTE * (0.5 + random())
  const arrived = accepted + 9 * MINUTE * (0.5 + random())
  const handled = arrived + 90 * MINUTE * random()
  if (isSlow) entries.push(noted(queuedAt + 7.5 * MINUTE, 'deadline_blue', { team: `${street.id}-street` }))
  if (stage >= 2 || (stage === 1 && isOpen)) by(Math.round(accepted), 'accept', { crew: team })
  if (stage >= 2) by(Math.round(arrived), 'arrive', { position: [120.86, 32.01] })
  if (stage >= 3)
    by(Math.round(handled), 'handle', { note: '已处理，净化器已恢复运行', files: ['photo-1.jpg'] })
  if (stage === 6 && random() < 0.04) {
    by(Math.round(handled) + 30 * MINUTE, 'rework', { note: '现场仍有油烟' })
    by(Math.round(handled) + 40 * MINUTE, 'accept', { crew: team })
    by(Math.round(handled) + 50 * MINUTE, 'arrive', { position: [120.86, 32.01] })
    by(Math.round(handled) + 80 * MINUTE, 'handle', { note: '已处理' })
  }
  if (stage >= 3) entries.push(noted(Math.round(handled) + 10 * MINUTE, 'alarm_cleared', { note: alarmId }))
  if (stage >= 4) by(Math.round(handled) + 100 * MINUTE, 'verify')
  const code: CloseCode = luck < 0.8 ? 'confirmed' : luck < 0.9 ? 'false_alarm' : 'not_found'
  if (stage === 6) by(Math.round(handled) + 120 * MINUTE, 'close', { code })
  if (!isOpen && stage === 1) by(queuedAt + 5 * MINUTE, 'void', { note: '重复登记' })
  const state = isOpen ? OPEN_STATES[stage]! : stage === 1 ? 'void' : 'closed'
  const deadlineColour = isOpen && luck < 0.2 ? 'red' : 'none'
  const supervised = random() < 0.02
  const row: SQLInputValue[] = [
    id,
    family,
    site,
    street.id,
    grid,
    category,
    `告警 Alarm · ${site}`,
    '[120.86,32.01]',
    severity,
    state,
    'grid',
    team,
    stage >= 1 ? team : null,
    queuedAt,
    10 * MINUTE,
    20 * MINUTE,
    240 * MINUTE,
    0,
    stage >= 2 ? Math.round(accepted) : null,
    stage >= 2 ? Math.round(arrived) : null,
    deadlineColour,
    // Long in the future, but for a few: nothing is to fall due while lists are measured.
    isOpen && luck >= 0.2 ? queuedAt + 1000 * DAY : null,
    supervised ? 1 : 0,
    stage === 6 ? code : null,
    2,
    JSON.stringify([team]),
    facetsOf({ state, severity, deadlineColour, supervised, backToNormal: false }),
  ]
  const alarm: SQLInputValue[] = [
    alarmId + (isOpen ? '' : `-${n}`),
    family,
    1,
    device,
    'cooking_fume',
    site,
    street.id,
    grid,
    severity,
    // None fires: its device is not known, and the judge would end it at the start.
    'cleared',
    0,
    queuedAt,
    queuedAt + 60 * MINUTE,
    2.4,
    2.4,
    id,
  ]
  return { id, team, row, entries, alarm }
}

const OPEN_STATES = ['dispatched', 'accepted', 'on_site', 'handled', 'verified'] as const

function pick(share: number) {
  let sum = 0
  for (const matter of MATTERS) {
    sum += matter[3]
    if (share < sum) return matter
  }
  return MATTERS[0]
}

function randomFrom(seed: number): () => number {
  let state = seed
  return () => (state = (state * 48_271) % 2_147_483_647) / 2_147_483_647
}
