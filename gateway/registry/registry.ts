import type { Log } from '../log.ts'
import type { Clock } from '../model/clock.ts'
import type { Wire } from '../model/device.ts'
import type { Kinds } from '../model/kind.ts'
import { Audit } from './audit.ts'
import { Commands } from './commands.ts'
import { Database } from './database.ts'
import { Devices } from './devices.ts'
import { Lockouts } from './lockouts.ts'
import { Secrets } from './secrets.ts'
import { Sessions } from './sessions.ts'
import { RegistrySignIn } from './sign-in.ts'
import { SlowHash } from './slow-hash.ts'
import { Users } from './users.ts'

export interface RegistryOptions {
  /** `registry.db`. */
  readonly file: string
  readonly kinds: Kinds
  readonly wires: readonly Wire[]
  /** The admin token. */
  readonly token: string
  readonly clock: Clock
  readonly log: Log
}

/** Who is known, by which secret, and what they have done: the repositories over `registry.db`, loaded. Only wiring. */
export class Registry {
  readonly database: Database
  readonly secrets: Secrets
  readonly devices: Devices
  readonly users: Users
  readonly audit: Audit
  readonly commands: Commands
  readonly lockouts: Lockouts
  readonly signIn: RegistrySignIn
  readonly sessions: Sessions

  constructor({ file, kinds, wires, token, clock, log }: RegistryOptions) {
    const database = new Database(file, log)
    const slowHash = new SlowHash()
    const secrets = new Secrets(database, slowHash)
    const devices = new Devices(database, secrets, kinds, wires)
    const users = new Users(database, secrets)
    const audit = new Audit(database, clock)
    const commands = new Commands(database, audit, clock)
    for (const repository of [secrets, devices, users, audit, commands]) repository.load()
    const lockouts = new Lockouts(database, audit, clock)
    lockouts.load(users)
    const sessions = new Sessions({ database, clock, users, secrets, adminToken: token })
    sessions.load()
    this.database = database
    this.secrets = secrets
    this.devices = devices
    this.users = users
    this.audit = audit
    this.commands = commands
    this.lockouts = lockouts
    this.signIn = new RegistrySignIn({
      devices,
      users,
      secrets,
      slowHash,
      lockouts,
      adminToken: token,
      clock,
    })
    this.sessions = sessions
  }

  close(): void {
    this.devices.stop()
    this.database.close()
  }
}
