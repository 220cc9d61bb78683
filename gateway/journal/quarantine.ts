import { DatabaseSync } from 'node:sqlite'
import type { RefusalCode } from '../model/reading.ts'

export interface Quarantined {
  readonly id: number
  readonly device: string | null
  readonly code: RefusalCode
  readonly message: string
  /** The first bytes of what was refused. */
  readonly raw: Uint8Array
  /** Size of what was refused, bytes. */
  readonly rawSize: number
  readonly receivedAt: number
}

export interface QuarantineQuery {
  readonly limit: number
  /** Where the previous page ended. */
  readonly cursor?: string | undefined
  readonly device?: string | undefined
  readonly code?: string | undefined
}

const COLUMNS = 'id, device, code, message, raw, raw_size AS rawSize, received_at AS receivedAt'

/** The refused readings in the journal's file, over a read-only connection of its own. */
export class QuarantineReader {
  readonly #sql: DatabaseSync

  constructor(file: string) {
    this.#sql = new DatabaseSync(file, { readOnly: true, timeout: 5000 })
  }

  /** Newest first. A `cursor` comes back while there may be more; one that it never gave is a RangeError. */
  list(query: QuarantineQuery): { items: Quarantined[]; cursor?: string } {
    const conditions: string[] = []
    const values: (string | number)[] = []
    if (query.cursor !== undefined) {
      if (!/^\d{1,15}$/.test(query.cursor)) throw new RangeError('not a cursor of the quarantine')
      conditions.push('id < ?')
      values.push(Number(query.cursor))
    }
    if (query.device !== undefined) {
      conditions.push('device = ?')
      values.push(query.device)
    }
    if (query.code !== undefined) {
      conditions.push('code = ?')
      values.push(query.code)
    }
    const where = conditions.length === 0 ? '' : `WHERE ${conditions.join(' AND ')}`
    const items = this.#sql
      .prepare(`SELECT ${COLUMNS} FROM quarantine ${where} ORDER BY id DESC LIMIT ?`)
      .all(...values, query.limit) as unknown as Quarantined[]
    const last = items.at(-1)
    if (last === undefined || items.length < query.limit) return { items }
    return { items, cursor: String(last.id) }
  }

  get(id: number): Quarantined | undefined {
    return this.#sql.prepare(`SELECT ${COLUMNS} FROM quarantine WHERE id = ?`).get(id) as
      Quarantined | undefined
  }

  close(): void {
    if (this.#sql.isOpen) this.#sql.close()
  }
}
