/** What the registry's tests share: a registry in a folder of its own, with a clock that a test turns. */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { loadKinds } from '../model/kinds.ts'
import { Audit } from './audit.ts'
import { Commands } from './commands.ts'
import { Database } from './database.ts'
import { Devices } from './devices.ts'
import { Lockouts } from './lockouts.ts'
import { Secrets } from './secrets.ts'
import { RegistrySignIn } from './sign-in.ts'
import { SlowHash } from './slow-hash.ts'
import { Users } from './users.ts'

export const ADMIN_TOKEN = 'the-admin-token-of-the-tests'
const kinds = loadKinds()

export interface Registry {
  readonly database: Database
  readonly devices: Devices
  readonly users: Users
  readonly secrets: Secrets
  readonly audit: Audit
  readonly commands: Commands
  readonly slowHash: SlowHash
  readonly lockouts: Lockouts
  readonly signIn: RegistrySignIn
}

export class RegistryFolder {
  readonly path = mkdtempSync(join(tmpdir(), 'gw-registry-'))
  readonly clock = { time: 1_718_000_000_000, now: () => this.clock.time }
  #open: Registry | undefined

  /** Opens the registry; a second time as a restart would find it. */
  open(slowHash = new SlowHash(), adminToken = ADMIN_TOKEN): Registry {
    this.#close()
    const database = new Database(join(this.path, 'registry.db'))
    const secrets = new Secrets(database, slowHash)
    const devices = new Devices(database, secrets, kinds)
    const users = new Users(database, secrets)
    const audit = new Audit(database, this.clock)
    const commands = new Commands(database, audit, this.clock)
    for (const part of [secrets, devices, users, audit, commands]) part.load()
    const lockouts = new Lockouts(database, audit, this.clock)
    lockouts.load(users)
    const signIn = new RegistrySignIn({
      devices,
      users,
      secrets,
      slowHash,
      lockouts,
      adminToken,
      clock: this.clock,
    })
    this.#open = { database, devices, users, secrets, audit, commands, slowHash, lockouts, signIn }
    return this.#open
  }

  remove(): void {
    this.#close()
    rmSync(this.path, { recursive: true })
  }

  #close(): void {
    this.#open?.devices.stop()
    this.#open?.database.close()
  }
}

export function deviceOf(id: string) {
  return { id, kind: 'cooking_fume', site: 'site-1', street: 'wenfeng', grid: 'wenfeng-001' }
}
