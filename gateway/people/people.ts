import type { Cases } from '../dispatch/cases.ts'
import type { Queue } from '../dispatch/queue.ts'
import type { Config } from '../config.ts'
import type { Log } from '../log.ts'
import type { Clock } from '../model/clock.ts'
import type { DeviceDirectory } from '../model/device.ts'
import type { District } from '../model/district.ts'
import { durationMs } from '../model/duration.ts'
import type { Part } from '../model/pipeline.ts'
import type { Audit } from '../registry/audit.ts'
import type { Database } from '../registry/database.ts'
import { ContactSweep } from './contact-sweep.ts'
import { placeKey } from './place-key.ts'
import { ReportPlaces } from './places.ts'
import { PublicDesk } from './public-desk.ts'
import { ReportDesk, type DeskSettings } from './report-desk.ts'
import { StrangerLimits } from './stranger-limits.ts'
import { TicketCursors } from './ticket-cursor.ts'

export interface PeopleSettings extends DeskSettings {
  /** What the check codes of places are made with, and what seals ticket numbers in cursors. */
  readonly placeKey: string
}

/** As configured; durations in ms. */
export function peopleSettings(config: Config['people'], dataDir: string): PeopleSettings {
  return {
    joinMetres: config.joinMetres,
    joinMs: durationMs(config.joinWithin),
    keepContactMs: durationMs(config.keepContact),
    placeKey: placeKey(config.placeKey, dataDir),
  }
}

export interface PeopleParts {
  readonly database: Database
  readonly cases: Cases
  readonly queue: Queue
  readonly district: District
  readonly devices: Pick<DeviceDirectory, 'all'>
  readonly audit: Audit
  readonly clock: Clock
  readonly log: Log
  readonly settings: PeopleSettings
}

/** People report too (随手拍): only wiring. */
export class People implements Part {
  readonly desk: ReportDesk
  readonly places: ReportPlaces
  readonly limits: StrangerLimits
  readonly strangers: PublicDesk
  readonly sweep: ContactSweep
  readonly cursors: TicketCursors

  constructor(parts: PeopleParts) {
    const { district, settings, clock, log } = parts
    this.desk = new ReportDesk(parts)
    this.places = new ReportPlaces(district, settings.placeKey)
    this.limits = new StrangerLimits(clock)
    this.strangers = new PublicDesk({ ...parts, desk: this.desk, places: this.places, limits: this.limits })
    this.cursors = new TicketCursors(settings.placeKey)
    this.sweep = new ContactSweep(this.desk.tickets, clock, log)
  }

  async start(): Promise<void> {
    await this.sweep.start()
  }

  async stop(): Promise<void> {
    await this.sweep.stop()
  }
}
