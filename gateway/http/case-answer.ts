import type { ActionOutcome } from '../dispatch/actions.ts'
import { actionsOf } from '../dispatch/rights.ts'
import type { Case } from '../model/case.ts'
import type { User } from '../model/user.ts'
import { Problem } from './problem.ts'
import type { OwnCase } from './shapes.ts'

/** The case, with what of it the user may do. */
export function forUser(user: User, found: Case): OwnCase {
  return { ...found, may: actionsOf(user, found) }
}

/** What became of an action, as an answer or a problem. */
export function answerOf(outcome: ActionOutcome, expectedVersion?: number): Case {
  switch (outcome.type) {
    case 'ok':
      return outcome.case
    case 'not_found':
      throw new Problem('not_found')
    case 'forbidden':
      throw new Problem('forbidden', outcome.message)
    case 'conflict': {
      const outdated = expectedVersion !== undefined && expectedVersion !== outcome.version
      const code = outdated ? 'version_conflict' : 'action_not_allowed'
      const { message, state, version, allowed, doer } = outcome
      throw new Problem(code, message, { state, version, allowed: [...allowed], ...doer })
    }
    case 'invalid':
      throw new Problem('bad_request', `body/${outcome.field}: ${outcome.message}`, {
        errors: [{ where: `body/${outcome.field}`, what: outcome.message }],
      })
    default:
      return outcome satisfies never
  }
}
