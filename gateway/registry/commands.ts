import type { Clock } from '../model/clock.ts'
import type { Audit } from './audit.ts'
import type { Database } from './database.ts'

/** How long after its end a command may still be answered, ms: a device that was away answers when it is back. */
const ANSWERABLE_MS = 7 * 86_400_000
/** Of a device's answer, characters kept. */
const TEXT_LIMIT = 200

export interface SentCommand {
  readonly id: string
  readonly device: string
  readonly command: string
  /** Epoch milliseconds. */
  readonly expires: number
}

/**
 * Commands and what devices made of them, in the audit. A device is heard once for each command that it was
 * sent, and never otherwise: the audit is for ever, so nobody may fill it at will.
 */
export class Commands {
  readonly #database: Database
  readonly #audit: Audit
  readonly #clock: Clock

  readonly #listeners: ((device: string, id: string, answer: string) => void)[] = []

  constructor(database: Database, audit: Audit, clock: Clock) {
    this.#database = database
    this.#audit = audit
    this.#clock = clock
  }

  load(): void {
    this.#database.migrate(
      'commands-1',
      `CREATE TABLE commands (
         id TEXT PRIMARY KEY,
         device TEXT NOT NULL,
         expires INTEGER NOT NULL,
         answered INTEGER NOT NULL DEFAULT 0
       ) STRICT, WITHOUT ROWID;
       CREATE INDEX commands_by_end ON commands (expires)`,
    )
  }

  /** Called in the transaction of each first answer: `ok`, or what went wrong. */
  onAnswer(listener: (device: string, id: string, answer: string) => void): void {
    this.#listeners.push(listener)
  }

  /** Call before it goes out: the answer may be quick. The same id again is the same command. */
  sent(actor: string, { id, device, command, expires }: SentCommand): void {
    this.#database.transaction(() => {
      const { sql } = this.#database
      sql.prepare('DELETE FROM commands WHERE expires < ?').run(this.#clock.now() - ANSWERABLE_MS)
      const { changes } = sql
        .prepare('INSERT OR IGNORE INTO commands (id, device, expires) VALUES (?, ?, ?)')
        .run(id, device, expires)
      if (changes === 1) this.#audit.note(actor, `command.${command}`, device, id)
    })
  }

  /** False when the device was sent no such command. An answer that comes again changes nothing. */
  answered(device: string, id: string, payload: Uint8Array): boolean {
    return this.#database.transaction(() => {
      const { sql } = this.#database
      const { changes } = sql
        .prepare('UPDATE commands SET answered = 1 WHERE id = ? AND device = ? AND answered = 0')
        .run(id, device)
      if (changes === 1) {
        const answer = told(payload)
        this.#audit.note(device, 'command.result', id, answer)
        for (const listener of this.#listeners) listener(device, id, answer)
      }
      const known = sql.prepare('SELECT 1 FROM commands WHERE id = ? AND device = ?').get(id, device)
      return known !== undefined
    })
  }
}

/** Contract §2: `{"ok":true}` or `{"ok":false,"error":"…"}`; anything else is kept as what it is, text. */
function told(payload: Uint8Array): string {
  const text = Buffer.from(payload.subarray(0, 4 * TEXT_LIMIT)).toString('utf8')
  let answer: unknown
  try {
    answer = JSON.parse(text)
  } catch {
    return `unreadable: ${plain(text)}`
  }
  if (typeof answer !== 'object' || answer === null || !('ok' in answer)) return `unreadable: ${plain(text)}`
  if (answer.ok === true) return 'ok'
  return 'error' in answer && typeof answer.error === 'string' ? `failed: ${plain(answer.error)}` : 'failed'
}

/** A line of text without what could break a log, a table or a terminal. */
function plain(text: string): string {
  return text
    .replaceAll(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]+/gu, ' ')
    .slice(0, TEXT_LIMIT)
    .toWellFormed()
}
