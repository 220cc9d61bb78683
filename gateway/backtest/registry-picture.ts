import { existsSync } from 'node:fs'
import { DatabaseSync } from 'node:sqlite'
import { alarmsBetween } from '../dispatch/alarms.ts'
import type { Alarm } from '../model/alarm.ts'
import type { Device } from '../model/device.ts'

/** What really happened, out of `registry.db`; read-only, so beside a gateway that runs, or without one. */
export class RegistryPicture {
  readonly #sql: DatabaseSync | undefined

  /** A file that is not there records nothing: the history may come from elsewhere. */
  constructor(file: string) {
    this.#sql = existsSync(file) ? new DatabaseSync(file, { readOnly: true, timeout: 5000 }) : undefined
  }

  /** Registered devices, as they are now, by id. */
  devices(): ReadonlyMap<string, Device> {
    const rows = this.#sql?.prepare('SELECT body FROM devices').all() ?? []
    const devices = rows.map((row) => JSON.parse(row['body'] as string) as Device)
    return new Map(devices.map((device) => [device.id, device]))
  }

  /** Alarms by start: `from` inclusive, `to` exclusive, epoch milliseconds. */
  alarms(from: number, to: number): readonly Alarm[] {
    return this.#sql === undefined ? [] : alarmsBetween(this.#sql, from, to)
  }

  close(): void {
    if (this.#sql?.isOpen === true) this.#sql.close()
  }
}
