import type { CaseStep } from '../dispatch/case-ledger.ts'
import type { CloseCode } from '../model/case.ts'

/**
 * What a case's timeline says about the promises that were made for it: a fold over its entries, in their order.
 * Nothing else is asked, so the same timeline gives the same account, whenever and in however many pieces it is read.
 *
 * Times are **running time** in milliseconds: from `queuedAt` on, without what the case was suspended for. An allowed
 * time (`respondMs` …) is in the same measure, so an extension or a suspension needs no further thought.
 */

export const PROMISES = ['response', 'arrival', 'resolution'] as const
export type Promised = (typeof PROMISES)[number]

/** Allowed running time of each promise, ms; extensions included. */
export type Allowed = Readonly<Record<Promised, number>>

export interface Kept {
  /** Running time at which it was kept. */
  readonly ms: number
  readonly team: string
}

/** How a promise stands: `pending` is neither kept nor broken yet, or never can be, for the case ended before. */
export interface Standing {
  readonly outcome: 'inTime' | 'late' | 'pending'
  /** Running time when it was kept; null when it was not. */
  readonly ms: number | null
  /** Whose doing it is: see the README. */
  readonly team: string
}

/** How many of the departments that were called reported in by their time. */
export interface Whistled {
  readonly inTime: number
  readonly late: number
  readonly pending: number
}

const NOBODY_CALLED: Whistled = { inTime: 0, late: 0, pending: 0 }
/** Of whistles whose entry does not say until when, ms: as `WHISTLE_TIMES`. */
const REPORT_IN_MS = 30 * 60_000

export class CaseAccount {
  readonly #queuedAt: number
  #suspendedAt: number | null = null
  #suspendedMs = 0
  readonly #unsaid: string
  /** As the timeline says; '' as long as it does not. */
  #said = ''
  #crew: string | null = null
  /** Stays through a rework. */
  #lastCrew: string | null = null
  /** Who bore the case from which running time on. */
  readonly #bearers: { readonly from: number; readonly team: string }[] = []
  readonly #kept: Record<Promised, Kept | null> = { response: null, arrival: null, resolution: null }
  /** Departments that were called, and when they reported in or were called no longer; epoch ms. */
  readonly #whistles: {
    department: string
    until: number
    reportedAt: number | null
    endedAt: number | null
  }[] = []
  /** Running time at which it was closed or made void. */
  #endedAt: number | null = null
  state: 'open' | 'closed' | 'void' = 'open'
  code: CloseCode | null = null
  /** Was handled at some time, whether that lasted or not. */
  handled = false
  reworks = 0
  returns = 0
  supervised = false

  /** `team`: who answers for it where the timeline does not say so. */
  constructor(queuedAt: number, team = '') {
    this.#queuedAt = queuedAt
    this.#unsaid = team
  }

  /** Who answers for the case, or worked on it last: on whose account it is. */
  get owner(): string {
    return this.#lastCrew ?? this.#team
  }

  kept(promise: Promised): Kept | null {
    return this.#kept[promise]
  }

  follow(entry: CaseStep): this {
    const ms = this.#running(entry.at)
    if (entry.action.startsWith('whistle')) return this.#whistle(entry)
    if (entry.team !== undefined) this.#said = entry.team
    switch (entry.action) {
      case 'accept':
        this.#crew = entry.crew ?? this.#team
        this.#lastCrew = this.#crew
        this.#keep('response', ms)
        break
      case 'arrive':
        this.#keep('arrival', ms)
        break
      case 'handle':
        this.#keep('resolution', ms)
        this.handled = true
        break
      case 'rework':
        // What did not last is not resolved. Who has accepted and been there has done so.
        this.#kept.resolution = null
        this.#crew = null
        this.reworks++
        break
      case 'assign':
        this.#crew = null
        this.#lastCrew = null
        break
      case 'return':
        this.#crew = null
        this.#lastCrew = null
        this.returns++
        break
      case 'suspend':
        this.#suspendedAt ??= entry.at
        break
      case 'resume':
        if (this.#suspendedAt !== null) this.#suspendedMs += Math.max(0, entry.at - this.#suspendedAt)
        this.#suspendedAt = null
        break
      case 'supervise':
        this.supervised = true
        break
      case 'close':
      case 'void':
        this.state = entry.action === 'close' ? 'closed' : 'void'
        // What ended while a loudspeaker spoke was closed by the gateway: nobody went there and found anything.
        this.code = this.#kept.response === null ? null : (entry.code ?? null)
        this.#endedAt = ms
        for (const whistle of this.#whistles) whistle.endedAt ??= entry.at
        break
    }
    const bearer = this.#crew ?? this.#said
    if (bearer !== '' && this.#bearers.at(-1)?.team !== bearer) this.#bearers.push({ from: ms, team: bearer })
    return this
  }

  /** Of a case that is still open, `now` decides whether a promise is broken by now. */
  standing(promise: Promised, allowed: Allowed, now: number): Standing {
    const kept = this.#kept[promise]
    const limit = allowed[promise]
    if (kept !== null && kept.ms <= limit) return { outcome: 'inTime', ...kept }
    const ms = kept === null ? (this.#endedAt ?? this.#running(now)) : kept.ms
    if (ms <= limit) return { outcome: 'pending', ms: null, team: this.#crew ?? this.#team }
    // Whoever came in the end is not to blame for the time that had run out before.
    const bearer = this.#bearers.findLast(({ from }) => from < limit) ?? this.#bearers[0]
    return { outcome: 'late', ms: kept?.ms ?? null, team: bearer?.team ?? this.#team }
  }

  /** All of it: of two accounts with the same summary nothing that anybody asks differs. */
  summary(): readonly unknown[] {
    const { state, code, handled, reworks, returns, supervised } = this
    const ends = [this.#suspendedAt, this.#suspendedMs, this.#endedAt]
    const teams = [this.#team, this.#crew, this.#lastCrew, this.#bearers]
    return [state, code, handled, reworks, returns, supervised, ends, teams, this.#kept, this.#whistles]
  }

  /** A department that was called back before its time ran out was not late. */
  whistled(now: number): Whistled {
    if (this.#whistles.length === 0) return NOBODY_CALLED
    const counts = { inTime: 0, late: 0, pending: 0 }
    for (const { until, reportedAt, endedAt } of this.#whistles) {
      if ((reportedAt ?? endedAt ?? now) > until) counts.late++
      else if (reportedAt !== null) counts.inTime++
      else counts.pending++
    }
    return counts
  }

  /** Running time beyond what was allowed, of the promise as it is kept or as it stands now; 0 when there is none. */
  overMs(promise: Promised, allowed: Allowed, now: number): number {
    const ms = this.#kept[promise]?.ms ?? this.#endedAt ?? this.#running(now)
    return Math.max(0, ms - allowed[promise])
  }

  /** Who oversees a late department does not answer for the case: `team` is of no matter here. */
  #whistle({ at, action, department, until }: CaseStep): this {
    if (action === 'whistle') {
      const by = until ?? at + REPORT_IN_MS
      this.#whistles.push({ department: department ?? '', until: by, reportedAt: null, endedAt: null })
      return this
    }
    const whistle = this.#whistles.findLast((each) => each.department === department)
    if (whistle === undefined) return this
    if (action === 'whistle_reported_in') whistle.reportedAt ??= at
    else if (action === 'whistle_done' || action === 'whistle_withdrawn') whistle.endedAt ??= at
    return this
  }

  /** Who answers for it. */
  get #team(): string {
    return this.#said === '' ? this.#unsaid : this.#said
  }

  #keep(promise: Promised, ms: number): void {
    this.#kept[promise] ??= { ms, team: this.#crew ?? this.#team }
  }

  /** A wall clock that was set back gives no time below nothing. */
  #running(at: number): number {
    const until = this.#suspendedAt === null ? at : Math.min(at, this.#suspendedAt)
    return Math.max(0, until - this.#queuedAt - this.#suspendedMs)
  }
}
