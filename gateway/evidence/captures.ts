import type { StatementSync } from 'node:sqlite'
import { setTimeout as sleep } from 'node:timers/promises'
import { Worker } from 'node:worker_threads'
import type { Alarms } from '../dispatch/alarms.ts'
import type { CaseChange } from '../dispatch/case-change.ts'
import type { Cases } from '../dispatch/cases.ts'
import type { Queue } from '../dispatch/queue.ts'
import { isOpen } from '../dispatch/transitions.ts'
import type { Log } from '../log.ts'
import type { Clock } from '../model/clock.ts'
import type { Health, Part } from '../model/pipeline.ts'
import type { Database } from '../registry/database.ts'
import { RuleTexts } from '../rule-book/rule-texts.ts'
import type { Captured, CaptureRequest, FromWorker, WorkerSetup } from './capture-protocol.ts'
import { contextOf, type ContextSources } from './context.ts'
import type { Evidence } from './evidence.ts'
import { AROUND_MS, windowsAround } from './windows.ts'

/** What a case's file freezes for: once soon after it opened, and again when there is more to keep. */
export type CaptureReason = 'opened' | 'alarm_ended' | 'handled' | 'closed' | 'exported'

/** From its occasion to the capture, ms: what is under way then comes in. */
const AFTER_MS: Readonly<Record<CaptureReason, number>> = {
  opened: 60_000,
  // What is to be kept after its end, and a little for readings that come late.
  alarm_ended: AROUND_MS + 60_000,
  handled: 5_000,
  closed: 5_000,
  exported: 0,
}
/** However far the next one is, look again after this, ms: the wall clock may have jumped. */
const LOOK_AGAIN_MS = 10_000
/** First wait after one that failed, and the longest, ms. */
const RETRY_MS = 15_000
const RETRY_LIMIT_MS = 3_600_000
/** The historian may be this far behind before a capture is put off, ms. */
const STORE_PATIENCE_MS = 10_000
/** A capture that has not ended by then has failed, ms. */
const TIME_LIMIT_MS = 120_000
const MEMORY_LIMIT_MB = 256
/** Devices of one case whose readings are frozen. */
const DEVICES = 50

const TABLES = `
  CREATE TABLE case_captures (
    case_id TEXT NOT NULL REFERENCES cases (id), reason TEXT NOT NULL,
    due_at INTEGER NOT NULL, attempts INTEGER NOT NULL,
    PRIMARY KEY (case_id, reason)
  ) STRICT, WITHOUT ROWID;
  CREATE INDEX case_captures_due ON case_captures (due_at);
`

export interface CaptureParts extends Omit<ContextSources, 'ruleTexts'> {
  readonly database: Database
  readonly alarms: Pick<Alarms, 'get'>
  readonly cases: Cases
  readonly queue: Pick<Queue, 'onChange'>
  readonly evidence: Evidence
  readonly setup: WorkerSetup
  /** Number that the next reading will get, and that of the first which the historian does not have yet. */
  readonly head: () => number
  readonly stored: () => number
  readonly clock: Clock
  readonly log: Log
}

interface Due {
  readonly caseId: string
  readonly reason: CaptureReason
  readonly dueAt: number
  readonly attempts: number
}

/**
 * Freezes for the file of a case what would age away: readings, frames, rules, devices. What is due is noted in the
 * transaction of the change that it is for, and taken off the list in that of the file: a crash in between repeats it.
 * One at a time, on a thread of its own, and never more than half of the time.
 */
export class Captures implements Part {
  readonly #parts: CaptureParts
  readonly #texts: RuleTexts
  readonly #note: StatementSync
  readonly #next: StatementSync
  readonly #done: StatementSync
  readonly #putOff: StatementSync
  #worker: Worker | undefined
  #timer: NodeJS.Timeout | undefined
  #running = false
  #work: Promise<unknown> = Promise.resolve()
  #calls = new Map<number, { resolve: (captured: Captured) => void; reject: (error: Error) => void }>()
  #callId = 0
  #trouble: string | null = null

  constructor(parts: CaptureParts) {
    this.#parts = parts
    parts.database.migrate('captures-1', TABLES)
    this.#texts = new RuleTexts(parts.database)
    const { sql } = parts.database
    this.#note = sql.prepare(
      `INSERT INTO case_captures (case_id, reason, due_at, attempts) VALUES (?, ?, ?, 0)
        ON CONFLICT DO UPDATE SET due_at = excluded.due_at, attempts = 0`,
    )
    this.#next = sql.prepare(
      `SELECT case_id AS caseId, reason, due_at AS dueAt, attempts FROM case_captures ORDER BY due_at LIMIT 1`,
    )
    // Unless it has become due anew meanwhile.
    this.#done = sql.prepare('DELETE FROM case_captures WHERE case_id = ? AND reason = ? AND due_at = ?')
    this.#putOff = sql.prepare(
      'UPDATE case_captures SET due_at = ?, attempts = attempts + 1 WHERE case_id = ? AND reason = ? AND due_at = ?',
    )
    parts.queue.onChange((change) => this.#heed(change))
  }

  async start(): Promise<void> {
    this.#running = true
    this.#arm()
  }

  async stop(): Promise<void> {
    this.#running = false
    clearTimeout(this.#timer)
    await this.#worker?.terminate()
    await this.#work
  }

  health(): Health {
    // What cannot be frozen now is frozen later: nobody else has to stop for it.
    return {
      ready: this.#running,
      detail: this.#trouble ?? (this.#running ? 'freezing what is due' : 'stopped'),
    }
  }

  /** Sees to all that is due by now: for a clock that is moved by hand, and tests. */
  async settle(): Promise<void> {
    while (await this.#takeNext());
  }

  /** Before an export: a case that nothing was frozen for yet is seen to now. Never rejects. */
  async ensure(caseId: string): Promise<void> {
    const isFrozen = () => this.#parts.evidence.files(caseId).some(({ kind }) => kind === 'context')
    await this.#inTurn(async () => {
      if (isFrozen()) return
      const due = { caseId, reason: 'exported', dueAt: this.#parts.clock.now(), attempts: 0 } as const
      await this.#take(due)
    })
  }

  /** Inside the transaction of the change. */
  #heed({ before, after, entries }: CaseChange): void {
    const now = this.#parts.clock.now()
    const occasions: CaptureReason[] = []
    if (before === null) occasions.push('opened')
    if (entries.some(({ action }) => action === 'alarm_cleared' || action === 'alarm_withdrawn'))
      occasions.push('alarm_ended')
    if (before !== null && before.state !== after.state) {
      if (after.state === 'handled') occasions.push('handled')
      if (!isOpen(after.state)) occasions.push('closed')
    }
    for (const reason of occasions) this.#note.run(after.id, reason, now + AFTER_MS[reason])
    if (occasions.length > 0) this.#parts.database.afterCommit(() => this.#arm())
  }

  #due(): Due | undefined {
    return this.#next.get() as unknown as Due | undefined
  }

  #arm(): void {
    clearTimeout(this.#timer)
    if (!this.#running) return
    let delay = LOOK_AGAIN_MS
    try {
      const due = this.#due()
      if (due === undefined) return
      delay = Math.min(Math.max(0, due.dueAt - this.#parts.clock.now()), LOOK_AGAIN_MS)
    } catch (error) {
      this.#parts.log.error({ err: error }, 'what is to be frozen cannot be looked up, trying again')
    }
    this.#timer = setTimeout(() => void this.#wake(), delay)
  }

  async #wake(): Promise<void> {
    const began = performance.now()
    await this.#takeNext()
    // Half of the time at most: others need the disk and the processor too.
    await sleep(performance.now() - began)
    this.#arm()
  }

  /** False when nothing is due. */
  async #takeNext(): Promise<boolean> {
    let isDue = false
    await this.#inTurn(async () => {
      const due = this.#due()
      isDue = due !== undefined && due.dueAt <= this.#parts.clock.now()
      if (isDue) await this.#take(due!)
    })
    return isDue
  }

  async #inTurn(work: () => Promise<void>): Promise<void> {
    const turn = this.#work.then(work).catch((error: unknown) => {
      this.#parts.log.error({ err: error }, 'freezing evidence failed')
    })
    this.#work = turn
    await turn
  }

  async #take(due: Due): Promise<void> {
    const { clock, log, evidence } = this.#parts
    const { caseId, reason, dueAt } = due
    try {
      await this.#storedUpToNow()
      const now = clock.now()
      const { request, context } = this.#wanted(caseId, reason, now)
      const captured = await this.#capture(request)
      const text = `${JSON.stringify(context(captured), null, 2)}\n`
      const isKept = await evidence.freeze(
        caseId,
        reason,
        [
          { kind: 'context', received: await evidence.take(Buffer.from(text)) },
          { kind: 'readings', received: captured.readings },
          { kind: 'frames', received: captured.frames },
        ],
        () => this.#done.run(caseId, reason, dueAt),
      )
      if (!isKept) throw new Error('the space for evidence is used up (evidence.quotaBytes)')
      this.#trouble = null
    } catch (error) {
      if (!this.#running) return
      this.#trouble = `evidence waits to be frozen: ${(error as Error).message}`
      log.warn({ err: error, case: caseId, reason }, 'evidence could not be frozen, trying again')
      const wait = Math.min(RETRY_LIMIT_MS, RETRY_MS * 2 ** Math.min(due.attempts, 20))
      this.#putOff.run(clock.now() + wait, caseId, reason, dueAt)
    }
  }

  #wanted(caseId: string, reason: CaptureReason, now: number) {
    const { cases, alarms } = this.#parts
    const found = cases.get(caseId)!
    const known = found.alarms.flatMap((id) => alarms.get(id) ?? [])
    const devices = [...new Map(known.map(({ device, kind }) => [device, { device, kind }])).values()]
    const { windows, leftOut } = windowsAround(known, now)
    const request = { case: caseId, devices: devices.slice(0, DEVICES), windows, leftOut }
    return {
      request,
      context: (captured: Captured) =>
        contextOf(
          {
            case: found,
            alarms: known,
            reason,
            now,
            windows,
            leftOut,
            captured,
            left: devices.slice(DEVICES),
          },
          { ...this.#parts, ruleTexts: this.#texts },
        ),
    }
  }

  /** What has been accepted by now must be in the store that is asked. */
  async #storedUpToNow(): Promise<void> {
    const head = this.#parts.head()
    const giveUpAt = performance.now() + STORE_PATIENCE_MS
    while (this.#parts.stored() < head) {
      if (performance.now() > giveUpAt || !this.#running) throw new Error('the historian is behind')
      await sleep(100)
    }
  }

  async #capture(request: Omit<CaptureRequest, 'id'>): Promise<Captured> {
    const worker = (this.#worker ??= this.#launch())
    const id = this.#callId++
    const timer = setTimeout(() => void worker.terminate(), TIME_LIMIT_MS)
    try {
      return await new Promise<Captured>((resolve, reject) => {
        this.#calls.set(id, { resolve, reject })
        worker.postMessage({ id, ...request } satisfies CaptureRequest, [])
      })
    } finally {
      clearTimeout(timer)
      this.#calls.delete(id)
    }
  }

  #launch(): Worker {
    const worker = new Worker(new URL('./capture-worker.ts', import.meta.url), {
      workerData: this.#parts.setup,
      resourceLimits: { maxOldGenerationSizeMb: MEMORY_LIMIT_MB },
    })
    worker.on('message', (message: FromWorker) => {
      const call = this.#calls.get(message.id)
      if (message.type === 'captured') call?.resolve(message.captured)
      else call?.reject(new Error(message.message))
    })
    worker.on('error', (error) => this.#ended(worker, error as Error))
    worker.on('exit', () => this.#ended(worker, new Error('the worker has ended')))
    // Alone it keeps no process alive.
    worker.unref()
    return worker
  }

  #ended(worker: Worker, error: Error): void {
    if (this.#worker === worker) this.#worker = undefined
    for (const call of this.#calls.values()) call.reject(error)
  }
}
