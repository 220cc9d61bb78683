import type { StatementSync } from 'node:sqlite'
import { setImmediate as others, setTimeout as pause } from 'node:timers/promises'
import type { Log } from '../log.ts'
import type { Retainer } from '../model/pipeline.ts'
import type { Database } from '../registry/database.ts'
import type { Alarms } from './alarms.ts'
import type { Cases } from './cases.ts'
import { holders, type CaseRecord } from './case-record.ts'
import { actionsOf } from './rights.ts'

/**
 * `case_orders` is the outbox: a row for each team that holds, or has held, an order. It is written in the
 * transaction that changes the case, so nothing can be forgotten: what has `announced < version` is due,
 * now or after a restart. A row goes when the broker has taken the empty message that clears the order.
 * `announcements` says how far the log of alarm changes has been told.
 */
const TABLES = `
  CREATE TABLE case_orders (
    case_id TEXT NOT NULL, team TEXT NOT NULL,
    held INTEGER NOT NULL, version INTEGER NOT NULL, announced INTEGER NOT NULL DEFAULT 0,
    PRIMARY KEY (case_id, team)
  ) STRICT, WITHOUT ROWID;
  CREATE INDEX case_orders_due ON case_orders (case_id) WHERE announced < version;
  CREATE TABLE announcements (name TEXT PRIMARY KEY, seq INTEGER NOT NULL) STRICT, WITHOUT ROWID;
`

/** Of a long story the order carries the end; all of it is at `GET /cases/{id}`. Bounds the MQTT packet. */
const ORDER_ENTRIES = 50
const ALARMS_AT_ONCE = 500
/** Cases, after which others have the thread: some 10 ms. */
const CASES_AT_ONCE = 20
/** Retained orders, after which others have the thread. */
const SWEPT_AT_ONCE = 500
const RETRY_AFTER_MS = 1_000
/** What was announced is written down this much later, ms, together, so that it delays no announcement. */
const WRITE_AFTER_MS = 100

interface Order {
  readonly caseId: string
  readonly team: string
  readonly held: boolean
  readonly version: number
}

/**
 * Tells teams and streets over MQTT (contract §2): `dispatch/{team}/orders/{case}`, QoS 1 and retained while
 * the team holds the case, and `alarms/{street}/{device}` at each change of an alarm.
 *
 * The first publish leaves in the call that follows the commit. What the broker has taken is remembered in
 * memory and written down {@link WRITE_AFTER_MS} later: a crash in between repeats an announcement of the
 * same version, which changes nothing for whoever gets it.
 */
export class Orders {
  readonly #database: Database
  readonly #alarms: Alarms
  readonly #cases: Cases
  readonly #log: Log
  readonly #callsForSimulated: boolean
  readonly #release: StatementSync
  readonly #hold: StatementSync
  readonly #heldCases: StatementSync
  readonly #forgetTold: StatementSync
  readonly #isKnown: StatementSync
  readonly #due: StatementSync
  readonly #dueCases: StatementSync
  readonly #markHeld: StatementSync
  readonly #markCleared: StatementSync
  readonly #markAlarms: StatementSync
  #publisher: Retainer | undefined
  /** Case → whether it changed again while it was being announced. */
  readonly #announcing = new Map<string, boolean>()
  /** Taken by the broker and not yet written down. */
  readonly #taken = new Map<string, Order>()
  #alarmsTold: number
  #tellingAlarms = false
  /** Up to which case orders that are held have been told since the start; null when all have. */
  #retold: string | null = null
  #isRetelling = false
  /** Told since the start anyway; until all are. */
  readonly #toldAlready = new Set<string>()
  /** What is retained of orders that nobody holds has been cleared. */
  #isSwept = false
  #writing: NodeJS.Timeout | undefined
  #retrying: NodeJS.Timeout | undefined

  /** `callsForSimulated`: a case of nothing but simulated alarms brings orders too. */
  constructor(database: Database, alarms: Alarms, cases: Cases, log: Log, callsForSimulated: boolean) {
    database.migrate('orders-1', TABLES)
    this.#database = database
    this.#alarms = alarms
    this.#cases = cases
    this.#log = log
    this.#callsForSimulated = callsForSimulated
    const sql = database.sql
    this.#release = sql.prepare('UPDATE case_orders SET held = 0, version = ? WHERE case_id = ? AND held = 1')
    this.#hold = sql.prepare(
      `INSERT INTO case_orders (case_id, team, held, version) VALUES (?, ?, 1, ?)
        ON CONFLICT DO UPDATE SET held = 1, version = excluded.version`,
    )
    this.#heldCases = sql.prepare(
      `SELECT DISTINCT case_id FROM case_orders WHERE held = 1 AND case_id > ?
        ORDER BY case_id LIMIT ${CASES_AT_ONCE}`,
    )
    this.#forgetTold = sql.prepare('UPDATE case_orders SET announced = 0 WHERE held = 1 AND case_id = ?')
    this.#isKnown = sql.prepare('SELECT 1 FROM case_orders WHERE case_id = ? AND team = ?')
    this.#due = sql.prepare(
      'SELECT team, held, version FROM case_orders WHERE case_id = ? AND announced < version',
    )
    this.#dueCases = sql.prepare(
      `SELECT DISTINCT case_id FROM case_orders WHERE announced < version AND case_id > ?
        ORDER BY case_id LIMIT ${CASES_AT_ONCE}`,
    )
    this.#markHeld = sql.prepare(
      'UPDATE case_orders SET announced = max(announced, ?) WHERE case_id = ? AND team = ?',
    )
    this.#markCleared = sql.prepare(
      'DELETE FROM case_orders WHERE case_id = ? AND team = ? AND held = 0 AND version = ?',
    )
    this.#markAlarms = sql.prepare(`INSERT OR REPLACE INTO announcements (name, seq) VALUES ('alarms', ?)`)
    const told = sql.prepare(`SELECT seq FROM announcements WHERE name = 'alarms'`).get()
    this.#alarmsTold = (told?.['seq'] as number | undefined) ?? 0
  }

  /** The broker is made after the queue; until it is given here, announcements wait in the outbox. */
  publishThrough(publisher: Retainer): void {
    this.#publisher = publisher
  }

  /** Notes in the case's own transaction who must be told of it. */
  note(record: CaseRecord): void {
    this.#release.run(record.version, record.id)
    if (record.simulated && !this.#callsForSimulated) return
    for (const team of holders(record)) this.#hold.run(record.id, team, record.version)
  }

  /**
   * Everything that the last run did not get to tell, and all orders that are held once more: the broker's file
   * is not fsynced, so a power cut may have taken from it what was announced, or brought back what was cleared.
   * Of very many it tells some at a time, and others have the thread in between.
   */
  start(): void {
    this.#isSwept = false
    this.#retold = ''
    this.#toldAlready.clear()
    this.#announceDue()
  }

  #announceDue(): void {
    this.announceAlarms()
    void this.#announceDueCases()
    void this.#retell()
    void this.#sweep()
  }

  /** A kill in the middle is no matter: the next start begins again. */
  async #retell(): Promise<void> {
    if (this.#isRetelling) return
    this.#isRetelling = true
    try {
      while (this.#retold !== null && this.#publisher !== undefined) {
        const began = performance.now()
        const held = this.#heldCases.all(this.#retold).map((row) => row['case_id'] as string)
        const ids = held.filter((id) => !this.#toldAlready.has(id))
        this.#database.derive(() => ids.forEach((id) => this.#forgetTold.run(id)))
        await Promise.all(ids.map(async (id) => this.#announce(id)))
        this.#retold = held.at(-1) ?? null
        if (this.#retold === null) this.#toldAlready.clear()
        // Half of the time is for others: nobody waits for these but after a power cut.
        await pause(performance.now() - began)
      }
    } catch (error) {
      this.#retrySoon(error)
    } finally {
      this.#isRetelling = false
    }
  }

  /** Orders that are retained though no team holds them, and no row of the outbox is there to clear them. */
  async #sweep(): Promise<void> {
    const publisher = this.#publisher
    if (publisher === undefined || this.#isSwept) return
    this.#isSwept = true
    try {
      let swept = 0
      for (const topic of publisher.retainedTopics('dispatch/+/orders/+')) {
        if (++swept % SWEPT_AT_ONCE === 0) await others()
        if (this.#publisher !== publisher) return
        const [, team = '', , caseId = ''] = topic.split('/')
        if (this.#isKnown.get(caseId, team) !== undefined) continue
        await publisher.publish(topic, '', { qos: 1, retain: true })
      }
    } catch (error) {
      this.#isSwept = false
      this.#retrySoon(error)
    }
  }

  async #announceDueCases(): Promise<void> {
    try {
      for (let last = ''; this.#publisher !== undefined;) {
        const ids = this.#dueCases.all(last).map((row) => row['case_id'] as string)
        if (ids.length === 0) return
        await Promise.all(ids.map(async (id) => this.#announce(id)))
        last = ids.at(-1)!
        await others()
      }
    } catch (error) {
      this.#retrySoon(error)
    }
  }

  /** Call after the commit. */
  announceCase(caseId: string): void {
    void this.#announce(caseId)
  }

  async #announce(caseId: string): Promise<void> {
    const publisher = this.#publisher
    if (publisher === undefined) return
    if (this.#announcing.has(caseId)) {
      this.#announcing.set(caseId, true)
      return
    }
    try {
      // One at a time for each case, so that an older version can never overtake a newer one.
      do {
        this.#announcing.set(caseId, false)
        const orders = this.#dueOf(caseId)
        const order = orders.some((one) => one.held) ? this.#orderFor(caseId) : () => ''
        await Promise.all(
          orders.map(async ({ team, held }) =>
            publisher.publish(`dispatch/${team}/orders/${caseId}`, held ? order(team) : '', {
              qos: 1,
              retain: true,
            }),
          ),
        )
        for (const told of orders) this.#taken.set(`${caseId} ${told.team}`, told)
        if (this.#retold !== null) this.#toldAlready.add(caseId)
        this.#writeSoon()
      } while (this.#announcing.get(caseId) === true && this.#publisher === publisher)
    } catch (error) {
      this.#retrySoon(error)
    } finally {
      this.#announcing.delete(caseId)
    }
  }

  /** Call after the commit. */
  announceAlarms(): void {
    void this.#announceAlarms()
  }

  async #announceAlarms(): Promise<void> {
    const publisher = this.#publisher
    if (publisher === undefined || this.#tellingAlarms) return
    this.#tellingAlarms = true
    try {
      while (this.#publisher === publisher) {
        const changes = this.#alarms.after(this.#alarmsTold, ALARMS_AT_ONCE)
        if (changes.length === 0) return
        await Promise.all(
          changes.map(async ({ alarm }) =>
            publisher.publish(`alarms/${alarm.street}/${alarm.device}`, JSON.stringify(alarm), {
              qos: 1,
              retain: false,
            }),
          ),
        )
        this.#alarmsTold = changes.at(-1)!.seq
        this.#writeSoon()
      }
    } catch (error) {
      this.#retrySoon(error)
    } finally {
      this.#tellingAlarms = false
    }
  }

  /** Writes down what was announced and stops trying. What is still due waits for the next start. */
  stop(): void {
    this.#publisher = undefined
    clearTimeout(this.#retrying)
    this.#retrying = undefined
    if (this.#writing !== undefined) this.#write()
  }

  #dueOf(caseId: string): Order[] {
    return this.#due
      .all(caseId)
      .map((row) => ({
        caseId,
        team: row['team'] as string,
        held: row['held'] === 1,
        version: row['version'] as number,
      }))
      .filter((order) => this.#taken.get(`${caseId} ${order.team}`)?.version !== order.version)
  }

  /** The case as a team is told of it, with what its people may do. */
  #orderFor(caseId: string): (team: string) => string {
    const found = this.#cases.get(caseId)!
    const shown = {
      ...found,
      alarms: found.alarms.slice(-ORDER_ENTRIES),
      timeline: found.timeline.slice(-ORDER_ENTRIES),
    }
    return (team) => {
      const may = actionsOf({ name: team, role: 'team', street: null, team }, found)
      return JSON.stringify({ ...shown, may })
    }
  }

  #writeSoon(): void {
    if (this.#publisher !== undefined) this.#writing ??= setTimeout(() => this.#write(), WRITE_AFTER_MS)
  }

  #write(): void {
    clearTimeout(this.#writing)
    this.#writing = undefined
    try {
      this.#database.derive(() => {
        for (const { caseId, team, held, version } of this.#taken.values()) {
          if (held) this.#markHeld.run(version, caseId, team)
          else this.#markCleared.run(caseId, team, version)
        }
        this.#markAlarms.run(this.#alarmsTold)
      })
      this.#taken.clear()
    } catch (error) {
      this.#retrySoon(error)
    }
  }

  /** All that is due is tried together, so one line in the log stands for all that fails meanwhile. */
  #retrySoon(error: unknown): void {
    if (this.#publisher === undefined || this.#retrying !== undefined) return
    this.#log.warn({ err: error }, 'orders or alarms could not be announced, trying again')
    this.#retrying = setTimeout(() => {
      this.#retrying = undefined
      this.#writeSoon()
      this.#announceDue()
    }, RETRY_AFTER_MS)
  }
}
