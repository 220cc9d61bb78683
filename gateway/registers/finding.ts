import type { Occasion } from '../dispatch/case-change.ts'
import type { Cases } from '../dispatch/cases.ts'
import { rank } from '../dispatch/opening.ts'
import type { Queue } from '../dispatch/queue.ts'
import { noted } from '../dispatch/life.ts'
import { categoryOf } from '../district/routing.ts'
import type { Severity } from '../model/alarm.ts'
import type { District } from '../model/district.ts'
import { durationMs } from '../model/duration.ts'
import type { Position } from '../model/reading.ts'
import { RegistryError } from '../registry/registry-error.ts'

/** What somebody found, or a register missed, and where. */
export interface Finding {
  readonly family: string
  readonly category: string
  readonly title: string
  readonly note: string | null
  readonly severity: Severity
  readonly site: string
  readonly street: string
  readonly grid: string
  readonly position: Position | null
  /** Evidence files. */
  readonly files: readonly string[]
  /** Whatever tells this finding from every other. */
  readonly seed: string
  readonly at: number
  /** User name, or `gateway`. */
  readonly actor: string
}

/** Allowed times where the district has none for the category. */
export interface Promise {
  readonly respond: string
  readonly arrive: string
  readonly resolve: string
}

/** As everywhere when people say that something is wrong [S]. */
export const PROMISED_TO_PEOPLE: Promise = { respond: '10m', arrive: '20m', resolve: '4h' }
const TITLE_LIMIT = 200
/** A case's story that is longer tells of no further findings, which stay in the register: crews get it as a whole. */
const TOLD_FINDINGS = 500

/**
 * Opens the case of a finding, or joins the open one; answers its id. Joins the caller's transaction. A section or a
 * stall is called as its street likes: under the name of another's nobody writes into that street's case.
 */
export function openFor(
  occasion: Occasion,
  {
    cases,
    queue,
  }: { readonly cases: Pick<Cases, 'entries' | 'openFor'>; readonly queue: Pick<Queue, 'open'> },
): string {
  const open = cases.openFor(occasion.family, occasion.site)
  if (open !== undefined && open.street !== occasion.street)
    throw new RegistryError('exists', `${occasion.site} has an open case of another street`)
  const isWorse = open !== undefined && rank(occasion.severity) > rank(open.severity)
  if (open !== undefined && !isWorse && cases.entries(open.id) >= TOLD_FINDINGS) return open.id
  return queue.open(occasion).id
}

/** The finding as what opens a case, or joins the open one of its family at its site. */
export function occasionOf(finding: Finding, district: District, promise: Promise): Occasion {
  const { family, category, site, street, grid, severity, position, seed, at, files } = finding
  const known = categoryOf(district, category)
  return {
    family,
    category,
    site,
    street,
    grid,
    severity,
    position,
    seed,
    title: finding.title.slice(0, TITLE_LIMIT).toWellFormed(),
    simulated: false,
    respondMs: durationMs(known?.respond ?? promise.respond),
    arriveMs: durationMs(known?.arrive ?? promise.arrive),
    resolveMs: durationMs(known?.resolve ?? promise.resolve),
    happenedAt: at,
    entry: { ...noted(at, 'opened', { note: finding.note, position, files }), actor: finding.actor },
  }
}
