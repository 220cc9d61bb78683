import type { ServerResponse } from 'node:http'
import { Problem } from './problem.ts'

/** Aborts when the connection is gone: work that nobody waits for is not finished. */
export function departure(response: ServerResponse): AbortSignal {
  const controller = new AbortController()
  response.once('close', () => controller.abort(new Problem('timeout', 'the client has left')))
  return controller.signal
}
