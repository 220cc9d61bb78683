import type { Stranger } from '../../adapters/hj212/strangers.ts'
import type { BackTests } from '../backtest/back-tests.ts'
import type { Alarms } from '../dispatch/alarms.ts'
import type { Announcer } from '../dispatch/announce/announcer.ts'
import type { Cases } from '../dispatch/cases.ts'
import type { Precisions } from '../dispatch/precision.ts'
import type { Queue } from '../dispatch/queue.ts'
import type { Captures } from '../evidence/captures.ts'
import type { EvidenceKey } from '../evidence/evidence-key.ts'
import type { Evidence } from '../evidence/evidence.ts'
import type { Supervision } from '../dispatch/supervision.ts'
import type { Recorder } from '../historian/recorder.ts'
import type { ReadingIntake } from '../ingest/intake.ts'
import type { QuarantineReader } from '../journal/quarantine.ts'
import type { Log } from '../log.ts'
import type { Clock } from '../model/clock.ts'
import type { District } from '../model/district.ts'
import type { Kinds } from '../model/kind.ts'
import type { Health, Journal, Publisher } from '../model/pipeline.ts'
import type { SignIn } from '../model/user.ts'
import type { AccountDesk } from '../reports/account-desk.ts'
import type { People } from '../people/people.ts'
import type { StrangerPhotos } from '../people/stranger-photos.ts'
import type { SectionSettings } from '../reports/section-settings.ts'
import type { Registers } from '../registers/registers.ts'
import type { Audit } from '../registry/audit.ts'
import type { CommandSender } from '../registry/command-sender.ts'
import type { Devices } from '../registry/devices.ts'
import type { Lockouts } from '../registry/lockouts.ts'
import type { Secrets } from '../registry/secrets.ts'
import type { Sessions } from '../registry/sessions.ts'
import type { Users } from '../registry/users.ts'
import type { RuleBook } from '../rule-book/rule-book.ts'

/** Everything that the HTTP server shows and moves; filled by the wiring. */
export interface HttpParts {
  readonly host: string
  /** 0 means any free port. */
  readonly port: number
  /** Addresses and networks of reverse proxies whose word on where a request came from counts. */
  readonly trustedProxies?: readonly string[]
  /** Of the package, for the description of the API. */
  readonly version: string
  readonly log: Log
  readonly clock: Clock
  readonly district: District
  readonly kinds: Kinds
  readonly signIn: SignIn
  readonly secrets: Pick<Secrets, 'of'>
  readonly sessions: Sessions
  readonly lockouts: Lockouts
  readonly devices: Devices
  readonly users: Users
  readonly audit: Audit
  readonly commandSender: Pick<CommandSender, 'send'>
  readonly intake: Pick<ReadingIntake, 'accept' | 'retry'>
  readonly journal: Pick<Journal, 'append' | 'ledger' | 'onCommit' | 'head' | 'tail' | 'read' | 'messages'>
  readonly quarantine: Pick<QuarantineReader, 'list' | 'get'>
  readonly recorder: Pick<Recorder, 'query'>
  readonly ruleBook: RuleBook
  /** What the report of river sections goes by. */
  readonly sections: SectionSettings
  readonly judge: { late(): number; unreadable(device: string): readonly string[] }
  readonly alarms: Alarms
  readonly cases: Cases
  readonly precisions: Precisions
  readonly accounts: Pick<AccountDesk, 'ask'>
  readonly supervision: Supervision
  readonly announcer: Announcer
  /** Reports of people and their tickets. */
  readonly people: People
  /** Photos of people who have not signed in. */
  readonly photos: StrangerPhotos
  readonly backTests: Pick<BackTests, 'run'>
  readonly queue: Queue
  readonly registers: Pick<Registers, 'purifiers' | 'inspections' | 'patrols'>
  readonly evidence: Evidence
  readonly captures: Captures
  readonly evidenceKey: EvidenceKey
  readonly publisher: Publisher
  /** Largest message that the intake takes as bytes. */
  readonly maxMessageBytes: number
  /** Messages that a device may hand in each second. */
  readonly messagesPerSecond: number
  /**
   * Moves a driven clock on and sees to all that is due then; false when it would be moved back. Absent when the clock
   * runs by itself.
   */
  readonly moveClock?: (instant: number) => Promise<boolean>
  /** HJ 212 senders that are not heard. */
  readonly strangers: () => readonly Stranger[]
  /** MQTT connections now. */
  readonly connections: () => number
  /** Readings that each consumer of the journal has yet to deal with. */
  readonly lag: () => Readonly<Record<string, number>>
  /** What `/readyz` asks, by part. */
  readonly health: Readonly<Record<string, () => Health>>
}
