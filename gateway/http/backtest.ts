import { Type } from 'typebox'
import { checkRules } from '../../rules/check.ts'
import { TooManyAlarms } from '../backtest/alarm-log.ts'
import { BackTestRefused } from '../backtest/back-tests.ts'
import type { BackTest, BackTestRequest } from '../backtest/backtest.ts'
import { MANNING } from '../backtest/crews.ts'
import { areasOf } from '../district/district.ts'
import { SEVERITIES } from '../model/alarm.ts'
import { DURATION_PATTERN, durationMs } from '../model/duration.ts'
import type { Rule } from '../model/rule.ts'
import { DISTRICT } from './access.ts'
import { departure } from './departure.ts'
import { instant } from './instant.ts'
import type { HttpParts } from './parts.ts'
import { Problem } from './problem.ts'
import type { Api } from './route.ts'
import { AlarmShape, Nullable } from './shapes.ts'

/** Rules in a body, bytes: some hundreds. */
const BODY_LIMIT = 1024 * 1024
/** Mistakes in one answer. */
const MOST_MISTAKES = 100

const When = (description: string) =>
  Type.Union([Type.Integer(), Type.String({ maxLength: 40 })], {
    description: `${description}; epoch ms or ISO 8601 with offset`,
  })
const Time = (description: string) => Type.Integer({ description: `${description}, epoch ms` })
const Count = (description: string) => Type.Integer({ minimum: 0, description })
const Pattern = { pattern: DURATION_PATTERN }

const Asked = Type.Object(
  {
    rules: Type.Optional(
      Type.Array(Type.Unknown(), { maxItems: 1000, description: 'those in force when left out' }),
    ),
    from: When('alarms that began at or after'),
    to: Type.Optional(When('and before; now when left out')),
    devices: Type.Optional(
      Type.Array(Type.String({ maxLength: 64 }), { maxItems: 10_000, description: 'only these' }),
    ),
    crews: Type.Optional(Type.Integer({ minimum: 1, maximum: 1000, description: 'of each team; 1' })),
    travel: Type.Optional(
      Type.String({ ...Pattern, description: 'from taking a case to being on site; 10m' }),
    ),
    handle: Type.Optional(Type.String({ ...Pattern, description: 'from there until it is handled; 30m' })),
  },
  { additionalProperties: false },
)

const Missed = Type.Enum(['respond', 'arrive', 'resolve'])
const Foreseen = Type.Object({
  id: Type.String(),
  family: Type.String(),
  category: Type.String(),
  title: Type.String(),
  site: Type.String(),
  street: Type.String(),
  grid: Type.String(),
  severity: Type.Enum(SEVERITIES),
  team: Type.String({ description: 'that it would have gone to' }),
  alarms: Type.Array(Type.String()),
  queuedAt: Time('when it would have been queued'),
  respondBy: Time('deadline'),
  arriveBy: Time('deadline'),
  resolveBy: Time('deadline'),
  speaks: Type.Optional(
    Type.Boolean({ description: 'a loudspeaker would have spoken before a crew was called; else absent' }),
  ),
  endedAt: Type.Optional(
    Time('when it would have ended while the loudspeaker spoke, so that no crew was called; else absent'),
  ),
  respondedAt: Nullable(Time('when a crew would have been free for it')),
  arrivedAt: Nullable(Time('when that would have been on site')),
  handledAt: Nullable(Time('when it would have been done')),
  missed: Type.Array(Missed, { description: 'deadlines that would have passed before' }),
})

const Answer = Type.Unsafe<BackTest>(
  Type.Object({
    from: Time('as asked'),
    to: Time('as asked'),
    rules: Count('rules'),
    devices: Count('devices that they are about'),
    readings: Count('readings that were read, those that lead up to `from` too'),
    late: Count('readings that had come too late to be judged'),
    alarms: Type.Array(AlarmShape, { description: 'by start, with the case that each would have been of' }),
    cases: Type.Array(Foreseen),
    load: Type.Array(
      Type.Object({
        team: Type.String(),
        hour: Time('its beginning'),
        cases: Count('cases that came in'),
        open: Count('cases open at once, at most'),
      }),
      { description: 'hours in which no case came or went are left out' },
    ),
    missed: Type.Object({
      crews: Type.Integer(),
      travelMs: Type.Integer(),
      handleMs: Type.Integer(),
      respond: Count('cases'),
      arrive: Count('cases'),
      resolve: Count('cases'),
    }),
    difference: Type.Object(
      {
        same: Count('alarms'),
        onlyBefore: Type.Array(AlarmShape),
        onlyAfter: Type.Array(AlarmShape),
        different: Type.Array(Type.Object({ before: AlarmShape, after: AlarmShape })),
        rules: Type.Array(
          Type.Object({
            rule: Type.String(),
            before: Count('alarms that happened'),
            after: Count('alarms of the back-test'),
            onlyBefore: Count('alarms'),
            onlyAfter: Count('alarms'),
            different: Count('alarms'),
          }),
        ),
      },
      { description: 'from what happened (before) to the back-test (after); alarms without their case' },
    ),
  }),
)

/** `POST /rules/backtest`: what rules would have done. */
export function backTest(api: Api, parts: HttpParts): void {
  const { backTests, clock } = parts
  api.post(
    '/api/v1/rules/backtest',
    {
      config: { access: { ...DISTRICT, harmless: true } },
      bodyLimit: BODY_LIMIT,
      schema: {
        tags: ['judging'],
        summary: 'Judge the stored history by rules that are not in force',
        description:
          'Alarms, the cases they would have opened, the load, and the difference to what happened. Changes nothing. ' +
          'With the rules in force the alarms are those that stand, withdrawn ones left out. One at a time (429 ' +
          'otherwise), five minutes at most; `gridwhistle rules backtest` has no such limits.',
        body: Asked,
        response: { 200: Answer },
      },
    },
    async (request, reply) => {
      const { body } = request
      const now = clock.now()
      const to = timeOf('to', body.to) ?? now
      const from = timeOf('from', body.from)!
      if (from >= to) throw new Problem('bad_request', 'body/from: must be before to')
      const asked: BackTestRequest = {
        rules: rulesOf(body.rules, parts),
        from,
        to,
        ...(body.devices !== undefined && { devices: body.devices }),
        manning: {
          crews: body.crews ?? MANNING.crews,
          travelMs: body.travel === undefined ? MANNING.travelMs : durationMs(body.travel),
          handleMs: body.handle === undefined ? MANNING.handleMs : durationMs(body.handle),
        },
      }
      const json = await backTests.run(asked, now, departure(reply.raw)).catch((error: unknown) => {
        throw problemOf(error)
      })
      // Text already, and perhaps a lot of it: bytes are sent as they are.
      const bytes: unknown = Buffer.from(json.buffer)
      return await reply.type('application/json; charset=utf-8').send(bytes as BackTest)
    },
  )
}

function rulesOf(
  rules: readonly unknown[] | undefined,
  { ruleBook, kinds, district }: HttpParts,
): readonly Rule[] {
  if (rules === undefined) return ruleBook.rules()
  const checked = checkRules([{ file: 'body', content: { rules } }], kinds, areasOf(district))
  if (checked.problems.length === 0) return checked.rules
  const errors = checked.problems.slice(0, MOST_MISTAKES).map(({ rule, path, message }) => ({
    where: ['body', 'rules', ...(rule === null ? [] : [rule]), ...path.split('.')].filter(Boolean).join('/'),
    what: message,
  }))
  throw new Problem('bad_rule', `${errors[0]!.where}: ${errors[0]!.what}`, { errors })
}

function timeOf(where: string, time: number | string | undefined): number | undefined {
  return typeof time === 'string' ? instant(where, time, 'body') : time
}

function problemOf(error: unknown): unknown {
  if (error instanceof TooManyAlarms) return new Problem('bad_request', error.message)
  if (!(error instanceof BackTestRefused)) return error
  return new Problem(error.code === 'busy' ? 'too_many_requests' : 'overloaded', error.message)
}
