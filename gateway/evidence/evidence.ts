import { existsSync } from 'node:fs'
import type { StatementSync } from 'node:sqlite'
import { Readable } from 'node:stream'
import type { Cases } from '../dispatch/cases.ts'
import type { Queue } from '../dispatch/queue.ts'
import { isOpen } from '../dispatch/transitions.ts'
import type { Log } from '../log.ts'
import type { TimelineEntry } from '../model/case.ts'
import type { Clock } from '../model/clock.ts'
import type { Part } from '../model/pipeline.ts'
import type { Database } from '../registry/database.ts'
import { claimedBy, MEDIA, mediaOf, type Claimed, type Media } from './media.ts'
import { TooLong, Vault, type Received } from './vault.ts'

/** What people send, and what the gateway freezes. */
export type EvidenceKind = 'photo' | 'video' | 'readings' | 'frames' | 'context'

/** A file of a case. */
export interface EvidenceFile {
  /** SHA-256 of its bytes: what an action names in `files`. */
  readonly id: string
  readonly kind: EvidenceKind
  readonly media: string
  /** Bytes. */
  readonly size: number
  /** The gateway's time; a file's own counts for nothing. */
  readonly at: number
  /** User name, or `gateway`. */
  readonly by: string
  readonly claimed: Claimed | null
}

export interface EvidenceLimits {
  readonly photoBytes: number
  readonly videoBytes: number
  /** Files that people may add to one case. */
  readonly filesPerCase: number
  /** All files of all cases, bytes. People may fill nine tenths of it; the rest is for what the gateway freezes. */
  readonly quotaBytes: number
}

export type RefusalReason =
  'too_large' | 'bad_evidence' | 'too_many_files' | 'evidence_full' | 'case_closed' | 'overloaded'

/** A file that is not taken; the message says why, and what would be. */
export class EvidenceRefused extends Error {
  override readonly name = 'EvidenceRefused'
  readonly reason: RefusalReason

  constructor(reason: RefusalReason, message: string) {
    super(message)
    this.reason = reason
  }
}

/** A file that has come in and is what it should be; it waits to be attached to a case or discarded. */
export interface Upload extends Received {
  readonly media: Media
  readonly claimed: Claimed | null
}

export interface FrozenPart {
  readonly kind: keyof typeof FROZEN_MEDIA
  readonly received: Received
}

const FROZEN_MEDIA = {
  readings: 'application/x-ndjson',
  frames: 'application/x-ndjson',
  context: 'application/json',
} as const

/** Whose upload it is: a user by name, or somebody who has not signed in, by address. */
export interface Sender {
  readonly type: 'user' | 'stranger'
  readonly key: string
}

/**
 * Uploads at once, and those of one sender: each holds a file and a quarter of a megabyte. Strangers have places of
 * their own, and nobody has all of them: whoever trickles his bytes holds up no crew. The console sends twenty.
 */
const UPLOADS_AT_ONCE = { user: 32, stranger: 8 } as const
const OF_ONE_SENDER = { user: 20, stranger: 3 } as const
const PEOPLES_SHARE = 0.9

const TABLES = `
  CREATE TABLE case_evidence (
    case_id TEXT NOT NULL REFERENCES cases (id), sha256 TEXT NOT NULL,
    kind TEXT NOT NULL, media TEXT NOT NULL, size INTEGER NOT NULL,
    at INTEGER NOT NULL, by TEXT NOT NULL, claimed TEXT,
    PRIMARY KEY (case_id, sha256)
  ) STRICT, WITHOUT ROWID;
  CREATE INDEX case_evidence_by_hash ON case_evidence (sha256);
`

export interface EvidenceParts {
  readonly database: Database
  readonly cases: Cases
  readonly queue: Pick<Queue, 'annotate' | 'checkFiles'>
  /** `dataDir/evidence`. */
  readonly folder: string
  readonly limits: EvidenceLimits
  readonly clock: Clock
  readonly log: Log
}

/** Files of cases: what they are is in `registry.db`, their bytes are in the {@link Vault}. */
export class Evidence implements Part {
  readonly #parts: EvidenceParts
  readonly #vault: Vault
  readonly #add: StatementSync
  readonly #of: StatementSync
  readonly #one: StatementSync
  readonly #named: StatementSync
  /** All files, bytes; the same file in two cases counts once. */
  #total = 0
  /** Uploads under way, by sender. */
  readonly #receiving = { user: new Map<string, number>(), stranger: new Map<string, number>() }

  constructor(parts: EvidenceParts) {
    this.#parts = parts
    this.#vault = new Vault(parts.folder)
    parts.database.migrate('evidence-1', TABLES)
    const { sql } = parts.database
    this.#add = sql.prepare(
      `INSERT OR IGNORE INTO case_evidence (case_id, sha256, kind, media, size, at, by, claimed)
        VALUES (?, ?, ?, ?, ?, ?, ?, ?)`,
    )
    this.#of = sql.prepare('SELECT * FROM case_evidence WHERE case_id = ? ORDER BY at, sha256')
    this.#one = sql.prepare('SELECT * FROM case_evidence WHERE case_id = ? AND sha256 = ?')
    this.#named = sql.prepare('SELECT 1 FROM case_evidence WHERE sha256 = ? LIMIT 1')
    parts.queue.checkFiles(
      (caseId, file) => this.file(caseId, file)?.by !== 'gateway' && this.has(caseId, file),
    )
  }

  async start(): Promise<void> {
    const { swept } = await this.#vault.start((sha256) => this.#isNamed(sha256))
    if (swept > 0) this.#parts.log.info({ files: swept }, 'evidence that no case had yet was given up')
    const row = this.#parts.database.sql
      .prepare(
        'SELECT coalesce(sum(size), 0) AS total FROM (SELECT max(size) AS size FROM case_evidence GROUP BY sha256)',
      )
      .get()
    this.#total = row!['total'] as number
  }

  async stop(): Promise<void> {}

  get limits(): EvidenceLimits {
    return this.#parts.limits
  }

  /** In the order in which they came. */
  files(caseId: string): readonly EvidenceFile[] {
    return this.#of.all(caseId).map(fileOf)
  }

  file(caseId: string, id: string): EvidenceFile | undefined {
    const row = this.#one.get(caseId, id)
    return row === undefined ? undefined : fileOf(row)
  }

  has(caseId: string, id: string): boolean {
    return this.#one.get(caseId, id) !== undefined
  }

  /** Whether its bytes are still on disk. */
  isThere(id: string): boolean {
    return existsSync(this.#vault.pathOf(id))
  }

  /** The bytes of a file, or a stretch of them, both ends inclusive. */
  read(id: string, range?: { readonly start: number; readonly end: number }): ReturnType<Vault['read']> {
    return this.#vault.read(id, range)
  }

  /** Why a person may add nothing to the case now, be it new or not: to be asked before the bytes are read. */
  refusal(caseId: string): EvidenceRefused | null {
    const record = this.#parts.cases.record(caseId)
    if (record === undefined || !isOpen(record.state))
      return new EvidenceRefused('case_closed', 'the case is closed; its file takes nothing more')
    if (this.#total >= this.limits.quotaBytes * PEOPLES_SHARE)
      return new EvidenceRefused(
        'evidence_full',
        'the space for evidence is used up (evidence.quotaBytes); tell whoever runs the gateway',
      )
    return null
  }

  #refusalOfNew(caseId: string): EvidenceRefused | null {
    const { filesPerCase } = this.limits
    const count = this.files(caseId).filter(({ by }) => by !== 'gateway').length
    if (count < filesPerCase) return this.refusal(caseId)
    return new EvidenceRefused('too_many_files', `a case takes ${filesPerCase} files (evidence.filesPerCase)`)
  }

  /**
   * Takes in a file of a person: on disk and checked when it resolves, of no case yet. Rejects with
   * {@link EvidenceRefused}; then nothing is left of it.
   */
  async receive(source: AsyncIterable<Uint8Array>, { type, key }: Sender): Promise<Upload> {
    const underWay = this.#receiving[type]
    const own = underWay.get(key) ?? 0
    const all = underWay.values().reduce((sum, count) => sum + count, 0)
    if (all >= UPLOADS_AT_ONCE[type] || own >= OF_ONE_SENDER[type]) {
      const count = own >= OF_ONE_SENDER[type] ? `${own} files of yours` : `${all} files`
      throw new EvidenceRefused('overloaded', `${count} are coming in; try again in a moment`)
    }
    const { photoBytes, videoBytes } = this.#parts.limits
    underWay.set(key, own + 1)
    try {
      const received = await this.#vault.receive(source, (head) =>
        isIsoMedia(head) ? videoBytes : photoBytes,
      )
      const media = await mediaOf(received.path, received.size)
      if (typeof media === 'object') {
        await this.#vault.discard(received)
        throw new EvidenceRefused('bad_evidence', media.fault)
      }
      return { ...received, media, claimed: await claimedBy(received.path, media) }
    } catch (error) {
      if (!(error instanceof TooLong)) throw error
      throw new EvidenceRefused(
        'too_large',
        `at most ${photoBytes} bytes for a photo (evidence.photoBytes), ${videoBytes} for a video (evidence.videoBytes)`,
      )
    } finally {
      const left = underWay.get(key)! - 1
      if (left === 0) underWay.delete(key)
      else underWay.set(key, left)
    }
  }

  /**
   * Makes it a file of the case, with an entry `evidence_added` in the timeline, all of it on disk when it resolves.
   * The same file twice is one. Rejects with {@link EvidenceRefused}, and the upload is gone.
   */
  async attach(
    caseId: string,
    by: string,
    upload: Upload,
  ): Promise<{ readonly file: EvidenceFile; readonly isNew: boolean }> {
    const { sha256, size, media, claimed } = upload
    const known = this.file(caseId, sha256)
    if (known !== undefined) {
      await this.#vault.discard(upload)
      return { file: known, isNew: false }
    }
    const refusal = this.#refusalOfNew(caseId)
    if (refusal !== null) {
      await this.#vault.discard(upload)
      throw refusal
    }
    await this.#vault.keep(upload)
    const { database, queue, clock } = this.#parts
    return database.transaction(() => {
      // Meanwhile another request may have brought the same, or closed the case.
      const meanwhile = this.file(caseId, sha256)
      if (meanwhile !== undefined) return { file: meanwhile, isNew: false }
      const late = this.#refusalOfNew(caseId)
      if (late !== null) throw late
      const file = { id: sha256, kind: MEDIA[media].kind, media, size, at: clock.now(), by, claimed }
      this.#insert(caseId, file)
      const entry: TimelineEntry = {
        at: file.at,
        actor: by,
        action: 'evidence_added',
        note: null,
        position: null,
        files: [sha256],
      }
      queue.annotate(caseId, entry)
      return { file, isNew: true }
    })
  }

  async discard(upload: Upload): Promise<void> {
    await this.#vault.discard(upload)
  }

  /**
   * Keeps what the gateway has frozen, with one entry in the timeline that names all of it; `along` is written in the
   * same transaction. On disk when it resolves; false when there is no room, and nothing of it is left.
   */
  async freeze(
    caseId: string,
    reason: string,
    parts: readonly FrozenPart[],
    along: () => void = () => {},
  ): Promise<boolean> {
    const { database, cases, clock, limits } = this.#parts
    const size = parts.reduce((sum, { received }) => sum + received.size, 0)
    if (this.#total + size > limits.quotaBytes) {
      for (const { received } of parts) await this.#vault.discard(received)
      return false
    }
    for (const { received } of parts) await this.#vault.keep(received)
    const at = clock.now()
    database.transaction(() => {
      for (const { kind, received } of parts) {
        const { sha256: id, size } = received
        this.#insert(caseId, { id, kind, media: FROZEN_MEDIA[kind], size, at, by: 'gateway', claimed: null })
      }
      const files = parts.map(({ received }) => received.sha256)
      cases.note(caseId, [
        { at, actor: 'gateway', action: 'evidence_frozen', note: reason, position: null, files },
      ])
      along()
    })
    return true
  }

  /** Bytes of the gateway's own on their way to {@link freeze}. */
  async take(bytes: Uint8Array): Promise<Received> {
    return await this.#vault.receive(Readable.from([bytes]), () => Infinity)
  }

  #insert(caseId: string, file: EvidenceFile): void {
    const { id, kind, media, size, at, by, claimed } = file
    if (!this.#isNamed(id)) this.#parts.database.afterCommit(() => (this.#total += size))
    this.#add.run(caseId, id, kind, media, size, at, by, claimed === null ? null : JSON.stringify(claimed))
  }

  #isNamed(sha256: string): boolean {
    return this.#named.get(sha256) !== undefined
  }
}

/** ISO/IEC 14496-12 §4.3: the first box is `ftyp`. */
function isIsoMedia(head: Uint8Array): boolean {
  return Buffer.from(head.buffer, head.byteOffset, head.byteLength).toString('latin1', 4, 8) === 'ftyp'
}

function fileOf(row: Record<string, unknown>): EvidenceFile {
  return {
    id: row['sha256'] as string,
    kind: row['kind'] as EvidenceKind,
    media: row['media'] as string,
    size: row['size'] as number,
    at: row['at'] as number,
    by: row['by'] as string,
    claimed: row['claimed'] === null ? null : (JSON.parse(row['claimed'] as string) as Claimed),
  }
}
