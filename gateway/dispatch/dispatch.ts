import type { Log } from '../log.ts'
import type { Clock } from '../model/clock.ts'
import type { DeviceDirectory } from '../model/device.ts'
import type { District } from '../model/district.ts'
import type { Part, Retainer } from '../model/pipeline.ts'
import { People, type PeopleSettings } from '../people/people.ts'
import { Registers } from '../registers/registers.ts'
import type { Audit } from '../registry/audit.ts'
import type { Database } from '../registry/database.ts'
import type { Range } from './announce/addresses.ts'
import { Announcer } from './announce/announcer.ts'
import { Alarms } from './alarms.ts'
import { LedgerFiller } from './case-ledger.ts'
import { Cases } from './cases.ts'
import { Precisions } from './precision.ts'
import { Queue } from './queue.ts'
import { Supervision } from './supervision.ts'
import type { WhistleTimes } from './whistles.ts'

export interface DispatchOptions {
  readonly database: Database
  readonly district: District
  readonly devices: DeviceDirectory
  readonly audit: Audit
  readonly clock: Clock
  readonly log: Log
  /** Whether a case of nothing but simulated alarms calls a crew: a demo, a rehearsal, a load. */
  readonly callsForSimulated: boolean
  readonly people: PeopleSettings
  /** How long the track of a patrol is kept after it has ended, ms. */
  readonly keepTracksMs: number
  /** What happens again so soon after its case was closed is called a recurrence of it, ms. */
  readonly reopenWithinMs: number
  /** Where people open the console, without a slash at its end; empty: links to it are relative. */
  readonly consoleUrl: string
  /** Where announcements may go beside the public internet, and whether unencrypted. */
  readonly announce: { readonly allowed: readonly Range[]; readonly allowHttp: boolean }
  readonly whistleTimes: WhistleTimes
  /** A loudspeaker further from the alarm than this, metres, is not heard there. */
  readonly speakWithin: number
}

/** Everything between an alarm and the people who answer for it: only wiring. */
export class Dispatch implements Part {
  readonly alarms: Alarms
  readonly cases: Cases
  readonly queue: Queue
  readonly precisions: Precisions
  readonly people: People
  readonly supervision: Supervision
  readonly announcer: Announcer
  readonly registers: Registers
  readonly ledger: LedgerFiller

  constructor(options: DispatchOptions) {
    const { database, consoleUrl, announce } = options
    this.alarms = new Alarms(database)
    this.cases = new Cases(database, consoleUrl)
    this.ledger = new LedgerFiller(database, options.log)
    this.queue = new Queue({ ...options, alarms: this.alarms, cases: this.cases })
    this.precisions = new Precisions(database)
    this.people = new People({ ...options, cases: this.cases, queue: this.queue, settings: options.people })
    this.supervision = new Supervision(database)
    this.announcer = new Announcer({ ...options, ...announce })
    this.announcer.watch(this.queue)
    this.registers = new Registers({ ...options, cases: this.cases, queue: this.queue })
  }

  /** Where announcements go. Before `start()`. */
  publishThrough(publisher: Retainer): void {
    this.queue.publishThrough(publisher)
    this.registers.publishThrough(publisher)
  }

  async start(): Promise<void> {
    await this.queue.start()
    await this.people.start()
    await this.announcer.start()
    await this.registers.start()
    this.ledger.start()
  }

  async stop(): Promise<void> {
    this.ledger.stop()
    await this.registers.stop()
    await this.announcer.stop()
    await this.people.stop()
    await this.queue.stop()
  }
}
