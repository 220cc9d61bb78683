/** What the journal's tests and its benchmark share: journals in a folder of their own, and messages for them. */
import { copyFileSync, existsSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pino } from 'pino'
import type { JournalEntry, JournalWrite } from '../model/pipeline.ts'
import type { Origin, Reading, Refusal } from '../model/reading.ts'
import { SqliteJournal, type JournalOptions } from './journal.ts'

export class Folder {
  readonly path = mkdtempSync(join(tmpdir(), 'gridwhistle-journal-'))
  readonly #journals: SqliteJournal[] = []

  get file(): string {
    return join(this.path, 'journal.db')
  }

  async open(options: Partial<JournalOptions> = {}): Promise<SqliteJournal> {
    const journal = new SqliteJournal({
      file: this.file,
      keepMs: 3_600_000,
      maxPendingBytes: 64 * 1024 * 1024,
      quarantineKeep: 1000,
      storedBy: 'historian',
      clock: { now: () => Date.now() },
      log: pino({ level: 'silent' }),
      ...options,
    })
    this.#journals.push(journal)
    await journal.start()
    return journal
  }

  /** The files as a power cut would leave them: another folder with what is on disk now. */
  crashed(): Folder {
    const copy = new Folder()
    for (const suffix of ['', '-wal'])
      if (existsSync(this.file + suffix)) copyFileSync(this.file + suffix, copy.file + suffix)
    return copy
  }

  async remove(): Promise<void> {
    for (const journal of this.#journals) await journal.stop()
    rmSync(this.path, { recursive: true, force: true })
  }
}

export function originOf(device: string): Origin {
  return { device, kind: 'cooking_fume', site: `${device}-site`, street: 'wenfeng', grid: 'wenfeng-001' }
}

/** A message of `count` readings with these values. */
export function entryOf(
  origin: Origin,
  values: readonly number[],
  receivedAt = 1_718_000_000_000,
): JournalEntry {
  const readings: Reading[] = values.map((fume, index) => ({ ts: receivedAt - index, metrics: { fume } }))
  const text = JSON.stringify(readings.length === 1 ? readings[0] : readings)
  return { origin, receivedAt, body: Buffer.from(text), readings }
}

export function writeOf(entry: JournalEntry | undefined, rest: Partial<JournalWrite> = {}): JournalWrite {
  return { ...(entry === undefined ? {} : { entry }), duplicates: 0, refusals: [], ...rest }
}

export function refusalOf(device: string | null, raw = '{'): Refusal {
  const bytes = Buffer.from(raw)
  return {
    device,
    code: 'bad_json',
    message: 'not JSON',
    raw: bytes,
    rawSize: bytes.byteLength,
    receivedAt: 1_718_000_000_000,
  }
}
