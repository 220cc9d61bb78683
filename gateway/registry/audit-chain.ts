import { createHash } from 'node:crypto'
import { DatabaseSync } from 'node:sqlite'

/** One row of the audit as it lies in `registry.db`. */
export interface AuditRow {
  readonly id: number
  readonly at: number
  readonly actor: string
  readonly action: string
  readonly subject: string
  readonly detail: string | null
  readonly address: string | null
  /** Null in rows of gateways from before the chain. */
  readonly hash: Uint8Array | null
}

export const COLUMNS = 'id, at, actor, action, subject, detail, address'

/** What the first row follows on. */
export const BEGINNING = new Uint8Array(32)

/**
 * SHA-256 of the hash of the row before and of this row as JSON: `[id, at, actor, action, subject, detail, address]`.
 * So the last hash stands for every row up to it, and whoever has noted it down can tell whether one was changed,
 * put in or taken out since.
 */
export function link(before: Uint8Array, row: Omit<AuditRow, 'hash'>): Buffer {
  const { id, at, actor, action, subject, detail, address } = row
  const text = JSON.stringify([id, at, actor, action, subject, detail, address])
  return createHash('sha256').update(before).update(text).digest()
}

export interface AuditReport {
  readonly ok: boolean
  readonly entries: number
  /** Number and hash of the last row: note it where the gateway's machine cannot reach. */
  readonly head: { readonly id: number; readonly hash: string } | null
  /** What does not hold, each once, with the row at which it shows. */
  readonly faults: readonly {
    readonly id: number
    readonly what: 'missing' | 'changed' | 'unchained' | 'cut_off' | 'other_head'
  }[]
}

/** Faults that are listed; the first tells enough. */
const FAULTS = 100

/**
 * Reads the whole audit of a `registry.db`, live or not, and changes nothing. Numbers without a gap, hashes that
 * follow from one another, and no end before the last number that was given out. A chain that somebody with the
 * file in hand has written anew from end to end is told only by `noted`, a head from outside.
 */
export function verifyAudit(
  file: string,
  noted?: { readonly id: number; readonly hash: string },
  progress: (done: number, total: number) => void = () => {},
): AuditReport {
  const sql = new DatabaseSync(file, { readOnly: true })
  try {
    const columns = sql.prepare("SELECT name FROM pragma_table_info('audit')").all()
    if (!columns.some(({ name }) => name === 'hash'))
      throw new Error(`${file}: holds no audit with a chain; start the gateway on it once`)
    const given = Number(
      sql.prepare("SELECT seq FROM sqlite_sequence WHERE name = 'audit'").get()?.['seq'] ?? 0,
    )
    const faults: { id: number; what: AuditReport['faults'][number]['what'] }[] = []
    const tell = (id: number, what: (typeof faults)[number]['what']) => {
      if (faults.length < FAULTS) faults.push({ id, what })
    }
    let before: Uint8Array = BEGINNING
    let last = 0
    let entries = 0
    let chained = false
    let seen = noted === undefined
    const rows = sql.prepare(`SELECT ${COLUMNS}, hash FROM audit ORDER BY id`).iterate()
    for (const row of rows as unknown as Iterable<AuditRow>) {
      if (row.id !== last + 1) tell(last + 1, 'missing')
      const hash = link(before, row)
      if (row.hash === null) {
        if (chained) tell(row.id, 'unchained')
      } else {
        chained = true
        if (!hash.equals(row.hash)) tell(row.id, 'changed')
      }
      // On from what stands there: one fault is told once, not at every row that follows.
      before = row.hash ?? hash
      last = row.id
      entries++
      if (noted?.id === row.id) {
        seen = true
        if (noted.hash !== Buffer.from(before).toString('hex')) tell(row.id, 'other_head')
      }
      if (entries % 10_000 === 0) progress(last, given)
    }
    if (last < given) tell(last + 1, 'cut_off')
    if (!seen) tell(noted!.id, 'other_head')
    const head = last === 0 ? null : { id: last, hash: Buffer.from(before).toString('hex') }
    return { ok: faults.length === 0, entries, head, faults }
  } finally {
    sql.close()
  }
}
