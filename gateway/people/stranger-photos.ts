import type { StatementSync } from 'node:sqlite'
import { EvidenceRefused, type Evidence } from '../evidence/evidence.ts'
import { MEDIA } from '../evidence/media.ts'
import type { Clock } from '../model/clock.ts'
import type { Database } from '../registry/database.ts'
import { addressKey } from './address-key.ts'
import { NotNow, PHOTO_LIMIT, type PublicDesk } from './public-desk.ts'
import type { StrangerLimits } from './stranger-limits.ts'
import { strangerName } from './ticket-number.ts'

/** Which photos came with which ticket: they are files of its case, see `gateway/evidence/`. */
const TABLES = `
  CREATE TABLE ticket_photos (
    number TEXT NOT NULL REFERENCES tickets (number), sha256 TEXT NOT NULL,
    PRIMARY KEY (number, sha256)
  ) STRICT, WITHOUT ROWID;
`

/** The page makes photos smaller than this; what it could not make smaller is taken as it is. Bytes. */
export const PHOTO_BYTES = 6 * 1024 * 1024
/** Photos come with the report; on a slow network, or when a phone was switched off, somewhat later. */
const TAKEN_FOR_MS = 86_400_000
/** Of all who reported one case together: its crew needs room for its own. */
const OF_ONE_CASE = 30
/** Of the space for evidence: however many photos strangers bring, crews have room for theirs. */
const STRANGERS_SHARE = 0.25

export interface PhotoParts {
  readonly database: Database
  readonly desk: Pick<PublicDesk, 'find'>
  readonly evidence: Pick<Evidence, 'limits' | 'refusal' | 'receive' | 'attach' | 'discard'>
  readonly limits: StrangerLimits
  readonly clock: Clock
}

/** Photos of people who have not signed in, one after the other, each as often as it takes to arrive. */
export class StrangerPhotos {
  readonly #parts: PhotoParts
  readonly #count: StatementSync
  readonly #ofCase: StatementSync
  readonly #add: StatementSync
  /** Photos that are being attached, by ticket and by case: several may come at once. */
  readonly #underWay = new Map<string, number>()
  /** Bytes that strangers have brought; undefined until somebody asks. */
  #total: number | undefined

  constructor(parts: PhotoParts) {
    const { database } = parts
    this.#parts = parts
    database.migrate('ticket-photos-1', TABLES)
    this.#count = database.sql.prepare('SELECT count(*) AS count FROM ticket_photos WHERE number = ?')
    this.#ofCase = database.sql.prepare(
      `SELECT count(*) AS count FROM ticket_photos JOIN tickets USING (number) WHERE case_id = ?`,
    )
    this.#add = database.sql.prepare('INSERT OR IGNORE INTO ticket_photos (number, sha256) VALUES (?, ?)')
  }

  /**
   * Takes a photo for a ticket; answers how many it has. On disk when it resolves, and the same photo twice is one.
   * Rejects with `NotThere`, `TooMany`, {@link NotNow} or {@link EvidenceRefused}; then nothing of it is left.
   */
  async add(typed: string, address: string, source: AsyncIterable<Uint8Array>): Promise<number> {
    const { desk, evidence, limits, clock, database } = this.#parts
    const { number, caseId, reportedAt } = desk.find(typed, address)
    if (clock.now() > reportedAt + TAKEN_FOR_MS) throw new NotNow('photos are taken for a day')
    const closed = evidence.refusal(caseId)
    if (closed !== null) throw closed
    if (this.#bytes() >= evidence.limits.quotaBytes * STRANGERS_SHARE)
      throw new EvidenceRefused('evidence_full', 'the space for photos is used up')
    limits.photo(address)
    const sender = { type: 'stranger', key: addressKey(address) } as const
    const upload = await evidence.receive(
      counted(source, (bytes) => limits.photoBytes(address, bytes)),
      sender,
    )
    if (MEDIA[upload.media].kind !== 'photo') {
      await evidence.discard(upload)
      throw new EvidenceRefused('bad_evidence', `${upload.media}; expected a photo, JPEG or PNG`)
    }
    // Sent again it counts for nothing more; a fourth one is not taken.
    const isKnown = this.#has(number, upload.sha256)
    const coming = (owner: string) => this.#underWay.get(owner) ?? 0
    const full =
      this.#of(number) + coming(number) >= PHOTO_LIMIT || this.#ofAll(caseId) + coming(caseId) >= OF_ONE_CASE
    if (full && !isKnown) {
      await evidence.discard(upload)
      throw new EvidenceRefused(
        'too_many_files',
        `at most ${PHOTO_LIMIT} photos, and ${OF_ONE_CASE} of one matter`,
      )
    }
    for (const owner of [number, caseId]) this.#underWay.set(owner, coming(owner) + 1)
    try {
      const { file, isNew } = await evidence.attach(caseId, strangerName(number), upload)
      database.transaction(() => this.#add.run(number, file.id))
      if (isNew) this.#total = this.#bytes() + file.size
      return this.#of(number)
    } finally {
      for (const owner of [number, caseId]) {
        const left = coming(owner) - 1
        if (left === 0) this.#underWay.delete(owner)
        else this.#underWay.set(owner, left)
      }
    }
  }

  #bytes(): number {
    const sum = () =>
      this.#parts.database.sql
        .prepare(
          `SELECT coalesce(sum(size), 0) AS bytes FROM
            (SELECT DISTINCT e.sha256, e.size FROM ticket_photos p JOIN case_evidence e USING (sha256))`,
        )
        .get()!['bytes'] as number
    this.#total ??= sum()
    return this.#total
  }

  #has(number: string, sha256: string): boolean {
    return (
      this.#parts.database.sql
        .prepare('SELECT 1 FROM ticket_photos WHERE number = ? AND sha256 = ?')
        .get(number, sha256) !== undefined
    )
  }

  #of(number: string): number {
    return this.#count.get(number)!['count'] as number
  }

  #ofAll(caseId: string): number {
    return this.#ofCase.get(caseId)!['count'] as number
  }
}

async function* counted(
  source: AsyncIterable<Uint8Array>,
  count: (bytes: number) => void,
): AsyncGenerator<Uint8Array> {
  let size = 0
  for await (const chunk of source) {
    size += chunk.byteLength
    if (size > PHOTO_BYTES) throw new EvidenceRefused('too_large', `at most ${PHOTO_BYTES} bytes`)
    count(chunk.byteLength)
    yield chunk
  }
}
