import { DatabaseSync } from 'node:sqlite'
import { JournalReader } from './reader.ts'

export interface JournalReport {
  readonly batches: number
  /** Readings in batches that are whole. */
  readonly readings: number
  /** Messages whose frame was kept too, and is whole. */
  readonly frames: number
  readonly firstSeq: number
  readonly head: number
  /** Numbers that no batch holds though its neighbours do; `to` is exclusive. */
  readonly gaps: readonly { readonly from: number; readonly to: number }[]
  /** Batches whose checksum, records or text are not what they were when they were committed. */
  readonly corrupt: readonly { readonly first: number; readonly reason: string }[]
  /** What SQLite says of the file: `ok`, or what is wrong with it. */
  readonly integrity: string
  readonly ok: boolean
}

/**
 * Reads the whole journal and decodes every reading of it, over read-only connections: on a live journal it
 * hinders nobody, on a dead one it changes nothing. Synchronous, and it takes as long as the file is large:
 * `progress` hears how many readings are done, of how many. Throws when the file is no journal at all.
 */
export function verifyJournal(
  file: string,
  progress: (done: number, total: number) => void = () => {},
): JournalReport {
  const sql = new DatabaseSync(file, { readOnly: true, timeout: 5000 })
  const reader = new JournalReader(file)
  try {
    const firstSeq = reader.tail()
    const head = reader.head()
    const next = sql.prepare('SELECT first, count FROM batches WHERE first >= ? ORDER BY first LIMIT 1')
    const gaps: { from: number; to: number }[] = []
    const corrupt: { first: number; reason: string }[] = []
    let batches = 0
    let readings = 0
    let frames = 0
    let expected = firstSeq
    while (expected < head) {
      const batch = next.get(expected) as { first: number; count: number } | undefined
      if (batch === undefined) break
      // On a live journal retention may have overtaken us: what is below the tail is not missing.
      if (batch.first > expected && batch.first > reader.tail())
        gaps.push({ from: expected, to: batch.first })
      try {
        const { deliveries } = reader.read(batch.first, 1, batch.first + 1)
        for (const delivery of deliveries) readings += delivery.readings.length
      } catch (error) {
        corrupt.push({ first: batch.first, reason: (error as Error).message })
      }
      batches += 1
      expected = batch.first + batch.count
      const found = reader.examineFrames(batch.first, expected)
      frames += found.whole
      corrupt.push(...found.damaged)
      progress(expected - firstSeq, head - firstSeq)
    }
    const integrity = integrityOf(sql)
    const ok = gaps.length === 0 && corrupt.length === 0 && integrity === 'ok'
    return { batches, readings, frames, firstSeq, head, gaps, corrupt, integrity, ok }
  } finally {
    reader.close()
    sql.close()
  }
}

function integrityOf(sql: DatabaseSync): string {
  const rows = sql.prepare('PRAGMA quick_check').all() as { quick_check: string }[]
  return rows.map((row) => row.quick_check).join('; ')
}
