import { Type } from 'typebox'
import { ADMIN } from './access.ts'
import type { HttpParts } from './parts.ts'
import { Problem } from './problem.ts'
import type { Api } from './route.ts'

const ClockShape = Type.Object({ now: Type.Integer({ description: 'epoch milliseconds' }) })
/** ECMA-262 §21.4.1.1: the last instant that a Date can hold. */
const LAST_INSTANT = 8.64e15

/** The gateway's clock, for tests. There only with `clock: driven`. */
export function drivenClock(api: Api, { clock, moveClock }: HttpParts): void {
  if (moveClock === undefined) return
  const schema = { tags: ['clock'], response: { 200: ClockShape } }
  api.get(
    '/api/v1/clock',
    { config: { access: ADMIN }, schema: { ...schema, summary: 'Where the driven clock stands' } },
    () => ({ now: clock.now() }),
  )
  api.put(
    '/api/v1/clock',
    {
      // As often as the run that drives it wants.
      config: { access: ADMIN, rateLimit: false },
      schema: {
        ...schema,
        summary: 'Move the driven clock on',
        description:
          'Answers when every acknowledged reading is judged and every timer and deadline due by then has run.',
        body: Type.Object(
          { now: Type.Integer({ minimum: 0, maximum: LAST_INSTANT }) },
          { additionalProperties: false },
        ),
      },
    },
    async (request) => {
      if (!(await moveClock(request.body.now))) throw new Problem('conflict', 'the clock only moves on')
      return { now: clock.now() }
    },
  )
}
