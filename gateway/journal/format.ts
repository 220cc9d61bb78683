/**
 * The journal on disk: `journal.db`, an SQLite file in WAL mode, and `journal.db.lock` beside it.
 *
 *   batches     one row for each group commit: `first` (number of its first reading), `count` (readings),
 *               `time` (of the commit, epoch ms), `crc` (CRC-32 of `body`), `body`
 *   frames      what came over the wire, for messages whose text is what a codec made of it, one row for each batch
 *               that has such: `seq` (its `first`), `crc` (CRC-32 of `body`), `body`
 *   origins     the tags that readings were accepted under; immutable, records refer to them by `id`
 *   cursors     where each consumer stands: it has dealt with every reading below `next`; `rejected` of them
 *               its store can never take
 *   ledger      counters of what never became a reading in the journal (one row)
 *   quarantine  refused readings, newest `quarantineKeep` of them; ids are never used again
 *   probe       empty, but while a failed disk is being tried
 *
 * A body is records one after another, little-endian, no padding:
 *
 *   offset  0  u32  origin id
 *           4  u32  readings in this record, at least 1
 *           8  f64  receivedAt, epoch ms
 *          16  u32  length of the text
 *          20       JSON text of one reading or an array of them, UTF-8 (`gateway/model/body.ts`)
 *
 * A body of frames is one record for each message after another, then their forms: JSON text of an array of
 * `WireForm`, and its length as u32. Secrets are masked. A record:
 *
 *   offset  0  u32  number of the message's first reading, less `seq`
 *           4  u16  which of the forms
 *           6  u16  frames
 *           8  u32  frames that were left out
 *          12       for each frame its length as u32, then its bytes
 *
 * Constraints
 *   - Readings are numbered from 0 without a gap: a batch's `first` is its predecessor's `first + count`, and
 *     the counts of its records add up to `count`.
 *   - An origin is inserted in the transaction of the first batch that refers to it, or an earlier one.
 *   - Frames are inserted in the transaction of the batch that holds their messages, and deleted in that batch's. Who
 *     reads readings never reads frames: the text says all of them. Journals from before there were frames get the
 *     table when they are opened; a gateway from before then reads the rest as ever.
 *   - Batches are deleted from the oldest on; the newest always stays, since it tells the head.
 *   - One process writes. It holds an SQLite lock on `journal.db.lock`, which the kernel drops when the
 *     process ends, however it ends. Any number of connections may read `journal.db`.
 *
 * Order of operations
 *   1. The main thread frames messages into the open batch and numbers their readings.
 *   2. When no commit is in flight, the batch goes to the writer's thread; the next one fills meanwhile.
 *   3. The writer, in one transaction: origins, batch, frames, counters, refusals, releases, cursors with rejects. It
 *      makes sure that the file is still the one under its name, then COMMIT, which fsyncs the WAL.
 *   4. Back on the main thread: the head moves, listeners hear of it, then the writes resolve.
 *   A step that fails undoes the transaction; the batch and everything behind it reject.
 *   5. Pages move from the WAL into the file (checkpoint) on a thread of its own while commits go on. Only
 *      when the WAL has outgrown {@link WAL_BOUND} does the writer move the last few itself, between two
 *      commits, so that the next one starts the WAL over.
 *   6. Cursors without rejects, retention and pruning are written between commits, without an fsync: after a
 *      crash a cursor may be about a second old, never ahead of what is on disk.
 */
export const FORMAT_VERSION = 1
/** "GWJL": lets `file` and SQLite tools tell the journal from other databases. */
export const APPLICATION_ID = 0x47574a4c

export const RECORD_HEADER = 20
/** A batch is closed when it would outgrow either; a single message larger than this is a batch of its own. */
export const BATCH_BYTES = 4 * 1024 * 1024
export const BATCH_READINGS = 10_000

export const PAGE_SIZE = 8192
/** Written since the last checkpoint: beyond this the next one is asked for. */
export const CHECKPOINT_BYTES = 2 * 1024 * 1024
/** Size of the WAL beyond which the writer itself helps to start it over. */
export const WAL_BOUND = 16 * 1024 * 1024
/** The file of the WAL is cut back to this when it starts over: written in place, an fsync is at its cheapest. */
export const WAL_KEPT = 4 * WAL_BOUND

/** `page_size` and `auto_vacuum` only have effect on a new file, before its first table. */
export const PRAGMAS = `
  PRAGMA page_size = ${PAGE_SIZE};
  PRAGMA auto_vacuum = INCREMENTAL;
  PRAGMA journal_mode = WAL;
  PRAGMA synchronous = FULL;
  PRAGMA wal_autocheckpoint = 0;
  PRAGMA journal_size_limit = ${WAL_KEPT};
  PRAGMA cache_size = -16384;
`

export const SCHEMA = `
  CREATE TABLE batches (
    first INTEGER PRIMARY KEY,
    count INTEGER NOT NULL,
    time INTEGER NOT NULL,
    crc INTEGER NOT NULL,
    body BLOB NOT NULL
  ) STRICT;
  CREATE TABLE origins (
    id INTEGER PRIMARY KEY,
    device TEXT NOT NULL,
    kind TEXT NOT NULL,
    site TEXT NOT NULL,
    street TEXT NOT NULL,
    grid TEXT NOT NULL
  ) STRICT;
  CREATE TABLE cursors (
    consumer TEXT PRIMARY KEY,
    next INTEGER NOT NULL,
    rejected INTEGER NOT NULL
  ) STRICT, WITHOUT ROWID;
  CREATE TABLE ledger (
    id INTEGER PRIMARY KEY CHECK (id = 1),
    duplicates INTEGER NOT NULL,
    quarantined INTEGER NOT NULL
  ) STRICT;
  INSERT INTO ledger VALUES (1, 0, 0);
  CREATE TABLE quarantine (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    device TEXT,
    code TEXT NOT NULL,
    message TEXT NOT NULL,
    raw BLOB NOT NULL,
    raw_size INTEGER NOT NULL,
    received_at INTEGER NOT NULL
  ) STRICT;
  CREATE INDEX quarantine_device ON quarantine (device);
  CREATE INDEX quarantine_code ON quarantine (code);
  CREATE TABLE probe (id INTEGER PRIMARY KEY CHECK (id = 1), body BLOB NOT NULL) STRICT;
  PRAGMA application_id = ${APPLICATION_ID};
  PRAGMA user_version = ${FORMAT_VERSION};
`

/** Also for journals that were made before. */
export const FRAMES = `
  CREATE TABLE IF NOT EXISTS frames (
    seq INTEGER PRIMARY KEY,
    crc INTEGER NOT NULL,
    body BLOB NOT NULL
  ) STRICT;
`

export interface FrameRow {
  readonly seq: number
  readonly crc: number
  readonly body: Uint8Array
}

export interface BatchRow {
  readonly first: number
  readonly count: number
  readonly crc: number
  readonly body: Uint8Array
}

export interface OriginRow {
  readonly id: number
  readonly device: string
  readonly kind: string
  readonly site: string
  readonly street: string
  readonly grid: string
}
