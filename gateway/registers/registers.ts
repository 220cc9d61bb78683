import { DrivenClock } from '../driven-clock.ts'
import type { CaseChange, Occasion } from '../dispatch/case-change.ts'
import type { Cases } from '../dispatch/cases.ts'
import type { Log } from '../log.ts'
import type { TimelineEntry } from '../model/case.ts'
import type { Clock } from '../model/clock.ts'
import type { District } from '../model/district.ts'
import type { Part, Publisher } from '../model/pipeline.ts'
import { startLevel, teamFor } from '../district/routing.ts'
import type { Audit } from '../registry/audit.ts'
import type { Database } from '../registry/database.ts'
import { Inspections } from './inspections.ts'
import { Patrols } from './patrols.ts'
import { CLEANING, Purifiers, type Purifier } from './purifiers.ts'

/** What a register needs of the queue. */
export interface CaseOpener {
  open(occasion: Occasion): { readonly id: string; readonly joined: boolean }
  annotate(caseId: string, entry: TimelineEntry): boolean
  onChange(listener: (change: CaseChange) => void): void
}

export interface RegisterParts {
  readonly database: Database
  readonly district: District
  readonly cases: Pick<Cases, 'entries' | 'openFor'>
  readonly queue: CaseOpener
  readonly audit: Audit
  readonly clock: Clock
  readonly log: Log
  /** How long the track of a patrol is kept after it has ended, ms. */
  readonly keepTracksMs: number
}

/** The wall clock may jump, so deadlines are not waited for: the registers look round this often, ms. */
const LOOK_ROUND_MS = 30_000

/** Purifier cleanings, night inspections and river patrols: what the district does by itself, and what it finds. */
export class Registers implements Part {
  readonly purifiers: Purifiers
  readonly inspections: Inspections
  readonly patrols: Patrols
  readonly #parts: RegisterParts
  #publisher: Publisher | undefined
  #timer: NodeJS.Timeout | undefined
  #adopted = false

  constructor(parts: RegisterParts) {
    this.#parts = parts
    this.purifiers = new Purifiers(parts)
    this.inspections = new Inspections(parts)
    this.patrols = new Patrols(parts)
    parts.queue.onChange((change) => this.purifiers.caseChanged(change))
  }

  /** Where reminders go: `dispatch/{team}/reminders/{site}`, QoS 1, not retained. Before `start()`. */
  publishThrough(publisher: Publisher): void {
    this.#publisher = publisher
  }

  async start(): Promise<void> {
    // A driven clock stands decades back until a run moves it: nothing has been due since then.
    if (!(this.#parts.clock instanceof DrivenClock)) this.begin()
    this.#wake()
  }

  async stop(): Promise<void> {
    clearTimeout(this.#timer)
    this.#timer = undefined
    this.#publisher = undefined
  }

  /** Sees to everything that is due by now; called by the timer, and harmless at any other time. */
  settle(): void {
    while (this.#lookRound());
  }

  /** Takes in the purifiers of the district file, from this moment on; once. */
  begin(): void {
    if (this.#adopted) return
    this.#adopted = true
    this.purifiers.adopt()
  }

  #wake(): void {
    let more = false
    try {
      more = this.#lookRound()
    } catch (error) {
      this.#parts.log.error({ err: error }, 'registers could not be looked through, trying again')
    }
    // Some at a time, so that nobody waits for a register that has much to catch up on.
    this.#timer = setTimeout(() => this.#wake(), more ? 1 : LOOK_ROUND_MS)
  }

  #lookRound(): boolean {
    const { clock, keepTracksMs } = this.#parts
    const now = clock.now()
    const { more, remind } = this.purifiers.lookRound(now)
    for (const purifier of remind) this.#remind(purifier)
    return this.patrols.lookRound(now, keepTracksMs) || more
  }

  #remind(purifier: Purifier): void {
    const { district, clock, log } = this.#parts
    const place = { category: CLEANING, street: purifier.street, grid: purifier.grid }
    const team = teamFor(district, place, startLevel(district, CLEANING), clock.now())
    this.#publisher
      ?.publish(`dispatch/${team.id}/reminders/${purifier.site}`, JSON.stringify(purifier), {
        qos: 1,
        retain: false,
      })
      .catch((error: unknown) =>
        log.warn({ err: error, site: purifier.site }, 'a reminder was not published'),
      )
  }
}
