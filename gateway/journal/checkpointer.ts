/**
 * A thread that moves pages from the WAL into the file while the writer goes on committing: a passive
 * checkpoint waits for nobody and nobody waits for it.
 */
import { DatabaseSync } from 'node:sqlite'
import { parentPort, workerData } from 'node:worker_threads'

const port = parentPort!
let sql: DatabaseSync | undefined

/** Answers the pages that the WAL holds, moved or not. */
function checkpoint(): number {
  sql ??= new DatabaseSync(workerData as string, { timeout: 0 })
  sql.exec('PRAGMA wal_autocheckpoint = 0')
  const result = sql.prepare('PRAGMA wal_checkpoint(PASSIVE)').get() as { log: number }
  return result.log
}

port.on('message', (request: 'checkpoint' | 'close') => {
  if (request === 'close') {
    sql?.close()
    port.close()
    return
  }
  try {
    port.postMessage({ pages: checkpoint() }, [])
  } catch (error) {
    port.postMessage({ trouble: (error as Error).message }, [])
  }
})
