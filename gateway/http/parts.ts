import type { Clock } from '../model/clock.ts'
import type { District } from '../model/district.ts'
import type { Kinds } from '../model/kind.ts'
import type { Health, Intake, Journal, Publisher } from '../model/pipeline.ts'
import type { SignIn } from '../model/user.ts'
import type { Log } from '../log.ts'

/** Everything that the HTTP server shows and moves; filled by the wiring. */
export interface HttpParts {
  readonly host: string
  /** 0 means any free port. */
  readonly port: number
  /** Of the package, for the description of the API. */
  readonly version: string
  readonly log: Log
  readonly clock: Clock
  readonly district: District
  readonly kinds: Kinds
  readonly signIn: SignIn
  readonly intake: Intake
  readonly journal: Journal
  readonly publisher: Publisher
  /** What `/readyz` asks, by part. */
  readonly health: Readonly<Record<string, () => Health>>
}
