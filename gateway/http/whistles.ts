import { Type } from 'typebox'
import { BlowSchema, WhistleRequestSchema } from '../dispatch/whistle-request.ts'
import { WHISTLE_ACTIONS } from '../model/whistle.ts'
import { ACTORS, SUPERVISORS } from './access.ts'
import { userOf } from './auth.ts'
import { answerOf, forUser } from './case-answer.ts'
import type { HttpParts } from './parts.ts'
import type { Api } from './route.ts'
import { OwnCaseShape } from './shapes.ts'

const PATHS = { report_in: 'report-in', done: 'done', withdraw: 'withdraw' } as const
const SUMMARIES = {
  report_in: 'A department reports in at a case that it was called to (报到)',
  done: 'A department has done its part of a case',
  withdraw: 'Withdraw the whistle for a department',
} as const

/** Departments that are called to cases (吹哨). */
export function whistles(api: Api, { queue }: HttpParts): void {
  const tags = ['cases']
  api.post(
    '/api/v1/cases/:id/whistles',
    {
      config: { access: SUPERVISORS },
      schema: {
        tags,
        summary: 'Call departments to a case that the street cannot solve alone (吹哨)',
        description:
          'Each called department holds the order, reports in and says when it is done, by clocks of its own; a late ' +
          'one goes up to the district. Until then the case cannot be verified, unless the whistle is withdrawn. ' +
          '409 when one of them is called already; nobody is called then.',
        params: Type.Object({ id: Type.String({ maxLength: 128 }) }),
        body: BlowSchema,
        response: { 200: OwnCaseShape },
      },
    },
    (request) => {
      const { user } = userOf(request)
      return forUser(user, answerOf(queue.whistles.blow(request.params.id, user, request.body)))
    },
  )
  for (const action of WHISTLE_ACTIONS) {
    api.post(
      `/api/v1/cases/:id/whistles/:department/${PATHS[action]}`,
      {
        config: { access: action === 'withdraw' ? SUPERVISORS : ACTORS },
        schema: {
          tags,
          summary: SUMMARIES[action],
          params: Type.Object({
            id: Type.String({ maxLength: 128 }),
            department: Type.String({ maxLength: 64 }),
          }),
          body: WhistleRequestSchema,
          response: { 200: OwnCaseShape },
        },
      },
      (request) => {
        const { user } = userOf(request)
        const { id, department } = request.params
        return forUser(user, answerOf(queue.whistles.act(id, department, action, user, request.body)))
      },
    )
  }
}
