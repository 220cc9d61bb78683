import { randomUUID } from 'node:crypto'
import type { Cases } from '../dispatch/cases.ts'
import { noted } from '../dispatch/life.ts'
import type { Queue } from '../dispatch/queue.ts'
import { isOpen } from '../dispatch/transitions.ts'
import type { Clock } from '../model/clock.ts'
import type { DeviceDirectory } from '../model/device.ts'
import type { Category, District } from '../model/district.ts'
import { durationMs } from '../model/duration.ts'
import type { User } from '../model/user.ts'
import type { Audit } from '../registry/audit.ts'
import type { Database } from '../registry/database.ts'
import { Nearby } from './nearby.ts'
import { PHONE_EXPECTED, phoneNumber } from './phone.ts'
import { mobileIn, plainLine, plainText, withoutNumbers } from './plain-text.ts'
import { BadReport, NAME_LIMIT, TEXT_LIMIT, type Report, type ReportBody } from './report.ts'
import { newTicketNumber, strangerName } from './ticket-number.ts'
import { Tickets, type Ticket } from './tickets.ts'
import { spotOf } from './whereabouts.ts'

/** The promise (contract, issue 4): answered within 10 minutes, on site within 20. */
const PROMISE = { respond: '10m', arrive: '20m', resolve: '4h' } as const
/** Reports that a case's timeline tells of; further ones have their ticket. A case goes to crews as a whole. */
const TOLD_REPORTS = 200
const TITLE_LIMIT = 200

export interface DeskSettings {
  /** A report joins an open case of its category that is no further away, metres … */
  readonly joinMetres: number
  /** … and was queued no longer ago, ms. */
  readonly joinMs: number
  /** Name and phone of whoever reported go after so long, ms. */
  readonly keepContactMs: number
}

export interface DeskParts {
  readonly database: Database
  readonly cases: Cases
  readonly queue: Queue
  readonly district: District
  readonly devices: Pick<DeviceDirectory, 'all'>
  readonly audit: Audit
  readonly clock: Clock
  readonly settings: DeskSettings
}

interface Contact {
  readonly name: string | null
  readonly phone: string | null
}

/** What became of a report. `known`: it had come before, and this is its ticket. */
export interface Receipt {
  readonly outcome: 'opened' | 'joined' | 'known'
  readonly ticket: Ticket
}

/**
 * Takes reports of people, through whatever door: a ticket for each, and the case that they are about, which may be one
 * that a sensor or a neighbour opened before. All of it in one transaction.
 */
export class ReportDesk {
  readonly tickets: Tickets
  readonly #parts: DeskParts
  readonly #nearby: Nearby

  constructor(parts: DeskParts) {
    const { database, settings, queue } = parts
    this.#parts = parts
    this.tickets = new Tickets(database)
    this.#nearby = new Nearby(database, settings.joinMetres, settings.joinMs)
    queue.onChange(({ before, after, entries }) => {
      const isNews =
        before !== null && (before.state !== after.state || entries.some((one) => one.publicNote))
      if (isNews) this.tickets.touch(after.id, parts.clock.now())
    })
  }

  /** Checks and cleans what a person who has signed in, or a program, says. Throws {@link BadReport}. */
  read(body: ReportBody, source: Report['source'], reporter: User): Report {
    const { district, devices } = this.#parts
    this.checkCategory(body.category)
    return {
      source,
      externalId: body.externalId ?? null,
      reporter,
      category: body.category,
      text: this.cleanText(body.text, TEXT_LIMIT),
      spot: spotOf(body, district, devices),
      from: null,
      severity: body.severity ?? 'yellow',
      ...this.contact(body, body.text),
    }
  }

  cleanText(written: string, longest: number): string {
    const text = plainText(written, longest)
    if (text === '') throw new BadReport('text', 'says nothing')
    return text
  }

  /** Name and phone in the form in which they are kept; the number that the text gives where there is no other. */
  contact(given: { name?: string | undefined; phone?: string | undefined }, text: string): Contact {
    const name = plainLine(given.name ?? '', NAME_LIMIT) || null
    const typed = given.phone?.trim() ?? ''
    if (typed === '') return { name, phone: mobileIn(text) }
    const phone = phoneNumber(typed)
    if (phone === null) throw new BadReport('phone', `expected ${PHONE_EXPECTED}`)
    return { name, phone }
  }

  checkCategory(category: string): void {
    const { categories } = this.#parts.district
    if (categories === undefined || Object.hasOwn(categories, category)) return
    throw new BadReport('category', `must be one of ${Object.keys(categories).join(', ')}`)
  }

  /** On disk when it returns; joins the caller's transaction, if there is one. */
  take(report: Report): Receipt {
    return this.#parts.database.transaction(() => {
      const { source, externalId } = report
      const known = externalId === null ? undefined : this.tickets.known(source, externalId)
      return known === undefined ? this.#put(report) : { outcome: 'known', ticket: known }
    })
  }

  /** Several reports in one transaction, so with one fsync. */
  together<T>(work: () => T): T {
    return this.#parts.database.transaction(work)
  }

  #put(report: Report): Receipt {
    const { audit, cases, clock, settings } = this.#parts
    const now = clock.now()
    const number = newTicketNumber()
    const family = `report-${report.category}`
    // Many read a case's site and id: neither is made of the number, with which one may rate the case.
    const seed = randomUUID()
    // What has neither place nor position cannot be told to be the same matter as anything else.
    const site = report.spot.site ?? `report-${seed.slice(-12)}`
    const found =
      this.#nearby.find(report.category, site, report.spot.position, now) ?? cases.openFor(family, site)
    const caseId =
      found === undefined
        ? this.#open(report, { number, seed, family, site }, now, 'opened')
        : this.#join(report, found, { number, seed }, now)
    this.tickets.insert(
      {
        number,
        caseId,
        source: report.source,
        externalId: report.externalId,
        reporter: report.reporter?.name ?? null,
        category: report.category,
        place: report.spot.site,
        text: withoutNumbers(report.text),
        joined: found !== undefined,
        reportedAt: now,
        name: report.name,
        phone: report.phone,
      },
      now + settings.keepContactMs,
    )
    if (report.reporter !== null) audit.note(report.reporter.name, 'case.report', caseId, report.source)
    return { outcome: found === undefined ? 'opened' : 'joined', ticket: this.tickets.get(number)! }
  }

  #join(
    report: Report,
    found: { id: string; family: string; site: string },
    own: { number: string; seed: string },
    now: number,
  ): string {
    const told = this.#parts.cases.entries(found.id) < TOLD_REPORTS
    // Not by annotating it: a report may make a case more severe, and real where it was only simulated.
    if (told) this.#open(report, { ...own, family: found.family, site: found.site }, now, 'report_joined')
    return found.id
  }

  /** Opens a case or, where the family has an open one at the site, joins it. */
  #open(
    report: Report,
    { number, seed, family, site }: { number: string; seed: string; family: string; site: string },
    now: number,
    action: string,
  ): string {
    const { queue, district } = this.#parts
    const { spot } = report
    const category = categoryOf(district, report.category)
    return queue.open({
      family,
      site,
      street: spot.street,
      grid: spot.grid,
      category: report.category,
      title: caseTitle(category, report.category, spot.title),
      position: spot.position,
      severity: report.severity,
      simulated: false,
      respondMs: durationMs(category?.respond ?? PROMISE.respond),
      arriveMs: durationMs(category?.arrive ?? PROMISE.arrive),
      resolveMs: durationMs(category?.resolve ?? PROMISE.resolve),
      happenedAt: now,
      seed,
      entry: noted(now, action, {
        actor: report.reporter?.name ?? strangerName(number),
        note: withoutNumbers(report.text) || null,
        position: report.from ?? spot.position,
        report: report.source,
      }),
    }).id
  }

  /** Whether the ticket's case still goes on. */
  isOpen(ticket: Ticket): boolean {
    const record = this.#parts.cases.record(ticket.caseId)
    return record !== undefined && isOpen(record.state)
  }
}

function categoryOf({ categories = {} }: District, id: string): Category | undefined {
  return Object.hasOwn(categories, id) ? categories[id] : undefined
}

/** As `caseTitle` of an alarm: what it is in two languages, and where. */
function caseTitle(category: Category | undefined, id: string, where: string): string {
  const what = category === undefined ? id : `${category.title.zh} ${category.title.en}`
  return `${what} · ${where}`.slice(0, TITLE_LIMIT).toWellFormed()
}
