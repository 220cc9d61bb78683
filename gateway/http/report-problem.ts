import { EvidenceRefused } from '../evidence/evidence.ts'
import { NotNow, NotThere } from '../people/public-desk.ts'
import { BadReport } from '../people/report.ts'
import { TooMany } from '../people/stranger-limits.ts'
import { Problem } from './problem.ts'

/** What the desk for people's reports refuses, as a problem document. */
export function reportProblem(error: unknown): unknown {
  if (error instanceof BadReport) {
    const where = `body/${error.field}`
    return new Problem('bad_request', `${where}: ${error.message}`, {
      errors: [{ where, what: error.message }],
    })
  }
  if (error instanceof NotThere) return new Problem('not_found', error.message)
  if (error instanceof TooMany) return new Problem('too_many_requests', error.message)
  if (error instanceof NotNow) return new Problem('conflict', error.message)
  if (error instanceof EvidenceRefused) return new Problem(error.reason, error.message)
  return error
}

/** Runs what may throw any of these. */
export function answering<T>(work: () => T): T {
  try {
    return work()
  } catch (error) {
    throw reportProblem(error)
  }
}
