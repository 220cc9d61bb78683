import { createHash } from 'node:crypto'
import type { StatementSync } from 'node:sqlite'
import type { Route } from '../district/routing.ts'
import type { Log } from '../log.ts'
import type { Alarm } from '../model/alarm.ts'
import type { TimelineEntry } from '../model/case.ts'
import type { Clock } from '../model/clock.ts'
import { isSimulated, type Device, type DeviceDirectory } from '../model/device.ts'
import type { District } from '../model/district.ts'
import { durationMs } from '../model/duration.ts'
import type { Position } from '../model/reading.ts'
import type { CommandRequest, SendOutcome } from '../registry/command-sender.ts'
import type { Database } from '../registry/database.ts'
import type { Alarms } from './alarms.ts'
import type { CaseKeeper } from './case-keeper.ts'
import type { CaseRecord } from './case-record.ts'
import type { Cases } from './cases.ts'
import { colourBegins } from './clocks.ts'
import type { Due } from './deadline-watch.ts'
import { distanceMetres } from './distance.ts'
import { called, endedBySpeaking, noted } from './life.ts'
import type { Dispatch, Finding } from './opening.ts'
import { isOpen } from './transitions.ts'

/**
 * Commands that a case has brought about, before or beside a crew. A row is written in the transaction that opens the
 * case, so none is forgotten; it is `due` until the wire has taken the command. A kill between the two sends it once
 * more at the next start, at most once for each kill, with the same command id, by which a device knows it.
 */
const TABLE = `
  CREATE TABLE second_looks (
    command_id TEXT PRIMARY KEY, case_id TEXT NOT NULL REFERENCES cases (id),
    purpose TEXT NOT NULL, device TEXT NOT NULL, command TEXT NOT NULL, args TEXT NOT NULL,
    expires INTEGER NOT NULL, state TEXT NOT NULL
  ) STRICT, WITHOUT ROWID;
  CREATE INDEX second_looks_of_case ON second_looks (case_id);
  CREATE INDEX second_looks_due ON second_looks (state) WHERE state = 'due';
`
const COLUMNS = `command_id AS id, case_id AS caseId, purpose, device, command, args, expires, state`

interface Task {
  readonly id: string
  readonly caseId: string
  readonly purpose: 'speak' | 'look'
  readonly device: string
  readonly command: string
  readonly args: string
  readonly expires: number
  readonly state: 'due' | 'sent' | 'answered' | 'failed'
}

/** A look that nobody has ordered by then, ms, helps no crew. */
const LOOK_EXPIRES_MS = 10 * 60_000
/** While an alarm is about to clear, look again this often, ms. */
const HOLD_MS = 10_000
const DUE_AT_ONCE = 20

/** The way to devices, known once the broker is. */
export interface DeviceReach {
  send(actor: string, request: CommandRequest): Promise<SendOutcome>
  /** Whether it is there to be told something. */
  isReachable(device: string): boolean
  /** Whether the alarm's condition is over already and only the time runs for which it has to be. */
  isEnding(alarm: Pick<Alarm, 'device' | 'rule'>): boolean
}

export interface SecondLookParts {
  readonly database: Database
  readonly alarms: Alarms
  readonly cases: Cases
  readonly keeper: CaseKeeper
  readonly district: District
  readonly devices: DeviceDirectory
  readonly clock: Clock
  readonly log: Log
  readonly routeAt: (now: number) => Route
  /** A loudspeaker further from the alarm than this, metres, is not heard there. */
  readonly speakWithin: number
  readonly callsForSimulated: boolean
}

/** What is to happen when a case is opened: until when its crew waits, and what the timeline says of it. */
export interface Plan {
  readonly pendingUntil: number | null
  readonly entries: readonly TimelineEntry[]
  readonly tasks: readonly Omit<Task, 'id' | 'caseId' | 'state'>[]
}

/**
 * Speak first: the site's loudspeaker is told to speak, and only if the alarm's condition still holds after the wait is
 * a crew sent. The case is open all the while, in `queued`, and its clocks count from there: what citizens were
 * promised does not wait for a loudspeaker. Without one that is there, or when it fails, the crew is sent at once.
 * So it is when the case gets worse meanwhile, or somebody reports it too: the loudspeaker was asked to deal with less.
 * A drone or a camera is sent for a second look without anybody waiting for it.
 */
export class SecondLook implements Due {
  readonly #parts: SecondLookParts
  readonly #insert: StatementSync
  readonly #mark: StatementSync
  readonly #get: StatementSync
  readonly #due: StatementSync
  readonly #of: StatementSync
  #reach: DeviceReach | undefined
  #isStopped = false

  constructor(parts: SecondLookParts) {
    this.#parts = parts
    const { database } = parts
    database.migrate('second-looks-1', TABLE)
    const { sql } = database
    this.#insert = sql.prepare(
      `INSERT OR IGNORE INTO second_looks (command_id, case_id, purpose, device, command, args, expires, state)
        VALUES (?, ?, ?, ?, ?, ?, ?, 'due')`,
    )
    this.#mark = sql.prepare('UPDATE second_looks SET state = ? WHERE command_id = ?')
    this.#get = sql.prepare(`SELECT ${COLUMNS} FROM second_looks WHERE command_id = ? AND device = ?`)
    this.#due = sql.prepare(`SELECT ${COLUMNS} FROM second_looks WHERE state = 'due'`)
    this.#of = sql.prepare(`SELECT ${COLUMNS} FROM second_looks WHERE case_id = ? AND purpose = 'speak'`)
  }

  /** Before `start()`; without it nothing is reachable. */
  commandThrough(reach: DeviceReach): void {
    this.#reach = reach
  }

  /** Sends what the last run did not get to send. */
  start(): void {
    this.#isStopped = false
    for (const task of this.#tasks(this.#due.all())) void this.#send(task)
  }

  stop(): void {
    this.#isStopped = true
  }

  /** What the alarm that opens a case asks for. */
  plan(alarm: Finding, dispatch: Dispatch, position: Position | null, now: number): Plan {
    const { speak, look } = dispatch
    const none: Plan = { pendingUntil: null, entries: [], tasks: [] }
    // Nobody is called for what did not happen, and nothing speaks.
    if (alarm.simulated === true && !this.#parts.callsForSimulated) return none
    const entries: TimelineEntry[] = []
    const tasks: Plan['tasks'][number][] = []
    let pendingUntil: number | null = null
    if (speak !== undefined) {
      const speaker = this.#nearest(alarm, 'loudspeaker', position, this.#parts.speakWithin)
      if (speaker === undefined) entries.push(noted(now, 'speak', { note: 'no loudspeaker is there' }))
      else {
        const text = typeof speak.text === 'string' ? speak.text : `${speak.text.zh} ${speak.text.en}`
        pendingUntil = now + durationMs(speak.wait)
        entries.push(noted(now, 'speak', { note: `${speaker.id}: ${text}` }))
        const args = JSON.stringify({ text })
        tasks.push({ purpose: 'speak', device: speaker.id, command: 'say', args, expires: pendingUntil })
      }
    }
    if (look !== undefined) {
      const looker = this.#nearest(alarm, look.kind, position, look.within ?? Infinity)
      if (looker === undefined) entries.push(noted(now, 'look', { note: `no ${look.kind} is there` }))
      else {
        entries.push(noted(now, 'look', { note: `${looker.id}: ${look.command}` }))
        const { command } = look
        const args = JSON.stringify({ ...look.args, ...(position !== null && { position }) })
        tasks.push({ purpose: 'look', device: looker.id, command, args, expires: now + LOOK_EXPIRES_MS })
      }
    }
    return { pendingUntil, entries, tasks }
  }

  /** In the transaction that opens the case; the commands leave after it. */
  order(caseId: string, { tasks }: Plan): void {
    for (const { purpose, device, command, args, expires } of tasks) {
      const id = commandId(purpose, caseId)
      this.#insert.run(id, caseId, purpose, device, command, args, expires)
      const task: Task = { id, caseId, purpose, device, command, args, expires, state: 'due' }
      this.#parts.database.afterCommit(() => void this.#send(task))
    }
  }

  /** What a device said of a command, as text; nothing of what is not ours, and nothing twice. */
  answered(device: string, commandId: string, answer: string): void {
    const { database, clock } = this.#parts
    database.transaction(() => {
      const [task] = this.#tasks(this.#get.all(commandId, device))
      if (task === undefined || task.state === 'answered' || task.state === 'failed') return
      this.#conclude(task, answer === 'ok' ? 'answered' : 'failed', answer, clock.now())
    })
  }

  nextDue(): number | null {
    return this.#parts.cases.nextPending()
  }

  /** The wait is over: whose condition still holds gets its crew. */
  seeTo(now: number): void {
    const { database, cases, alarms } = this.#parts
    database.transaction(() => {
      for (const record of cases.pending(now, DUE_AT_ONCE)) {
        const [task] = this.#tasks(this.#of.all(record.id))
        const firing = alarms.firingOf(record.id)
        if (firing.length === 0) {
          this.closeWithoutCrew(record, alarms.hasCleared(record.id), [], now)
          continue
        }
        const isEnding = firing.every((alarm) => this.#reach?.isEnding(alarm) === true)
        const latest = colourBegins({ ...record, state: 'queued' }, 'blue')!
        if (isEnding && now < latest) {
          // About to clear: its clear time runs. Nobody is told, for nothing has changed.
          cases.save({ ...record, pendingUntil: Math.min(now + HOLD_MS, latest) }, [])
          continue
        }
        const silent = task?.state === 'due' || task?.state === 'sent'
        const entries = silent ? [noted(now, 'speak_answered', { note: `${task.device}: no answer` })] : []
        if (silent) this.#mark.run('failed', task.id)
        this.#call(record, 'it still holds', entries, now)
      }
    })
  }

  /** Sends the crew of the case if it still waits; in a transaction of the caller's. */
  callAtOnce(caseId: string, why: string, now: number): void {
    const { cases, keeper } = this.#parts
    const record = cases.record(caseId)
    if (record === undefined || record.pendingUntil === null || !isOpen(record.state)) return
    if (record.state === 'queued') this.#call(record, why, [], now)
    // Suspended by somebody: it waits for that one, and for nothing else any more.
    else keeper.save(record, { ...record, pendingUntil: null }, [noted(now, 'crew_called', { note: why })])
  }

  /** It ended while the loudspeaker's effect was waited for, or had never been; in a transaction of the caller's. */
  closeWithoutCrew(
    record: CaseRecord,
    wasReal: boolean,
    before: readonly TimelineEntry[],
    now: number,
  ): void {
    const ended = endedBySpeaking(record, wasReal, now)
    const note = wasReal ? 'ended after speaking' : 'withdrawn before a crew was called'
    this.#parts.keeper.save(record, ended, [...before, noted(now, 'close', { note, code: ended.closeCode! })])
  }

  #call(record: CaseRecord, why: string, before: readonly TimelineEntry[], now: number): void {
    const { keeper, routeAt } = this.#parts
    const after = called(record, routeAt(now))
    keeper.save(record, after, [
      ...before,
      noted(now, 'crew_called', { note: why }),
      noted(now, 'assign', { team: after.team }),
    ])
  }

  async #send(task: Task): Promise<void> {
    const { clock, database, log } = this.#parts
    if (this.#isStopped) return
    let failure: string | null = null
    try {
      if (this.#reach === undefined || task.expires <= clock.now()) failure = 'was not sent in time'
      else {
        const { id, device, command, expires } = task
        const args = JSON.parse(task.args) as Record<string, unknown>
        const sent = await this.#reach.send('gateway', { id, device, command, args, expires })
        if (sent.type === 'refused') failure = sent.detail
      }
    } catch (error) {
      log.warn(
        { err: error, case: task.caseId, device: task.device },
        'a command of a case could not be sent',
      )
      failure = 'could not be sent'
    }
    // What was not stopped in time is `due` still, and goes out at the next start.
    if (this.#isStopped) return
    try {
      database.transaction(() => {
        const [now] = this.#tasks(this.#get.all(task.id, task.device))
        // An answer may have come before.
        if (now?.state !== 'due') return
        if (failure === null) this.#mark.run('sent', task.id)
        else this.#conclude(task, 'failed', failure, clock.now())
      })
    } catch (error) {
      log.error({ err: error, case: task.caseId }, 'what became of a command could not be stored')
    }
  }

  /** Notes what came of it; a loudspeaker that fails is no reason to wait. */
  #conclude(task: Task, state: 'answered' | 'failed', answer: string, now: number): void {
    const { cases, keeper } = this.#parts
    this.#mark.run(state, task.id)
    const record = cases.record(task.caseId)
    if (record === undefined) return
    const entry = noted(now, `${task.purpose}_answered`, { note: `${task.device}: ${answer}` })
    if (
      task.purpose === 'speak' &&
      state === 'failed' &&
      record.pendingUntil !== null &&
      record.state === 'queued'
    )
      this.#call(record, 'the loudspeaker failed', [entry], now)
    else keeper.save(record, record, [entry])
  }

  #tasks(rows: readonly Record<string, unknown>[]): readonly Task[] {
    return rows as unknown as readonly Task[]
  }

  /**
   * The device of the kind that is there: one that the district file names for the site, then one at the site, then
   * the nearest one within `within` metres. What is made up makes no real device do anything, nor the other way.
   */
  #nearest(alarm: Finding, kind: string, position: Position | null, within: number): Device | undefined {
    const { devices, district } = this.#parts
    const site = district.sites?.find((one) => one.id === alarm.site)
    const named = [site?.loudspeakers, site?.cameras, site?.drones].flatMap((ids) => ids ?? [])
    let best: Device | undefined
    let least = Infinity
    for (const device of devices.all()) {
      if (device.kind !== kind || isSimulated(device) !== (alarm.simulated === true)) continue
      if (this.#reach?.isReachable(device.id) !== true) continue
      const away = distance(device, position)
      const rank = named.includes(device.id)
        ? -2
        : device.site === alarm.site
          ? -1
          : away <= within
            ? away
            : Infinity
      if (rank < least) [best, least] = [device, rank]
    }
    return best
  }
}

function distance({ position }: Device, from: Position | null): number {
  return position === undefined || from === null
    ? Infinity
    : distanceMetres(position as unknown as Position, from)
}

/** The same for the same case, so that a case that is derived again after a power cut orders nothing new. */
function commandId(purpose: string, caseId: string): string {
  return createHash('sha256').update(`${purpose} ${caseId}`).digest('hex').slice(0, 32)
}
