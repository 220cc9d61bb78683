/** The writer's thread: answers the main thread's requests in order, tidies in slices between commits. */
import { once } from 'node:events'
import { parentPort, Worker, workerData } from 'node:worker_threads'
import { CHECKPOINT_BYTES, PAGE_SIZE, WAL_BOUND } from './format.ts'
import { JournalWriter } from './journal-writer.ts'
import type { CursorMove, Reply, Request, Retention, WriterSettings } from './protocol.ts'

/** Between two slices of tidying, ms: commits go first. */
const SLICE_PAUSE_MS = 10
/** What a commit writes to the WAL besides its body: a few pages of tables and trees. */
const COMMIT_OVERHEAD = 3 * PAGE_SIZE

const port = parentPort!
const settings = workerData as WriterSettings
const writer = new JournalWriter(settings)
const checkpointer = new Worker(new URL('./checkpointer.ts', import.meta.url), {
  workerData: settings.file,
})
let checkpointing = false
/** Written to the WAL since the last checkpoint began, bytes. */
let unmoved = 0
/** A commit came since the last tidying: the disk is busy. */
let busy = false
let tail = 0
let slice: NodeJS.Timeout | undefined

function reply(message: Reply, transfer: ArrayBuffer[] = []): void {
  port.postMessage(message, transfer)
}

function reasonOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}

/** Runs work that no one waits for: when it fails the main thread is told, and the next round tries again. */
function attempt(what: string, work: () => void): void {
  try {
    work()
  } catch (error) {
    reply({ kind: 'trouble', reason: `${what}: ${reasonOf(error)}` })
  }
}

function requestCheckpoint(): void {
  if (checkpointing || unmoved === 0) return
  checkpointing = true
  unmoved = 0
  checkpointer.postMessage('checkpoint', [])
}

checkpointer.on('message', (result: { pages: number } | { trouble: string }) => {
  checkpointing = false
  if ('trouble' in result) {
    unmoved += PAGE_SIZE
    return reply({ kind: 'trouble', reason: `checkpoint: ${result.trouble}` })
  }
  // While commits went on it could not quite catch up; the few that are left are moved here, then the WAL starts over.
  if (result.pages * PAGE_SIZE > WAL_BOUND) attempt('checkpoint', () => writer.checkpoint())
})

function tidy(retention: Retention): void {
  slice = undefined
  attempt('tidying', () => {
    if (writer.tidy(retention)) slice = setTimeout(tidy, SLICE_PAUSE_MS, retention)
    const now = writer.tail()
    if (now === tail) return
    tail = now
    unmoved += PAGE_SIZE
    reply({ kind: 'tidied', tail })
  })
}

async function close(moves: readonly CursorMove[]): Promise<void> {
  clearTimeout(slice)
  attempt('cursors', () => writer.move(moves))
  checkpointer.postMessage('close', [])
  await once(checkpointer, 'exit')
  attempt('closing', () => writer.close())
  reply({ kind: 'closed' })
  port.close()
}

port.on('message', (request: Request) => {
  switch (request.kind) {
    case 'commit': {
      const { body, frames } = request.commit
      const buffers = frames === null ? [body.buffer] : [body.buffer, frames.buffer]
      busy = true
      unmoved += body.size + (frames?.size ?? 0) + COMMIT_OVERHEAD
      try {
        const released = writer.commit(request.commit)
        reply({ kind: 'committed', buffers, released }, buffers)
      } catch (error) {
        reply({ kind: 'failed', buffers, reason: reasonOf(error) }, buffers)
      }
      if (unmoved > CHECKPOINT_BYTES) requestCheckpoint()
      break
    }
    case 'tidy':
      if (request.moves.length > 0) unmoved += PAGE_SIZE
      attempt('cursors', () => writer.move(request.moves))
      if (slice === undefined) tidy(request.retention)
      if (!busy) requestCheckpoint()
      busy = false
      break
    case 'probe':
      try {
        writer.probe(request.bytes)
        reply({ kind: 'probed', trouble: null })
      } catch (error) {
        reply({ kind: 'probed', trouble: reasonOf(error) })
      }
      break
    case 'close':
      void close(request.moves)
      break
  }
})

try {
  const found = writer.open()
  tail = found.tail
  reply({ kind: 'opened', found })
} catch (error) {
  reply({ kind: 'refused', reason: reasonOf(error) })
  checkpointer.postMessage('close', [])
  port.close()
}
