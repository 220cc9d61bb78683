import { Type } from 'typebox'
import { ALARM_ENDS, SEVERITIES, type Alarm } from '../model/alarm.ts'
import {
  ACTIONS,
  CASE_STATES,
  CLOCK_NAMES,
  CLOSE_CODES,
  DEADLINE_COLOURS,
  PROPOSALS,
  REPORT_SOURCES,
  type Action,
  type Case,
} from '../model/case.ts'
import { PositionSchema } from '../model/device.ts'
import { FLAGS } from '../model/reading.ts'
import { WHISTLE_ACTIONS, WHISTLE_STATES } from '../model/whistle.ts'
import type { LiveReading } from './live-readings.ts'

/** The model's records as the API shows them: what the OpenAPI document says of them. */
export const Nullable = <T extends Parameters<typeof Type.Union>[0][number]>(schema: T) =>
  Type.Union([schema, Type.Null()])

const Time = (description: string) => Type.Integer({ description: `${description}; epoch ms` })

export const Severity = Type.Enum(SEVERITIES, { description: 'rising: blue, yellow, orange, red' })
export const AlarmState = Type.Enum(['firing', 'cleared', 'withdrawn'])
const AlarmEnd = Type.Enum(ALARM_ENDS, { description: 'why it was cleared, if not by its own condition' })

export const AlarmShape = Type.Unsafe<Alarm>(
  Type.Object({
    id: Type.String(),
    rule: Type.String(),
    ruleVersion: Type.Integer(),
    device: Type.String(),
    kind: Type.String(),
    site: Type.String(),
    street: Type.String(),
    grid: Type.String(),
    severity: Severity,
    state: AlarmState,
    stale: Type.Optional(
      Type.Literal(true, { description: 'raised by readings that came late; opens no case' }),
    ),
    simulated: Type.Optional(Type.Literal(true, { description: "a simulated device's" })),
    startedAt: Time('event time at which the condition had held for as long as the rule asks'),
    clearedAt: Nullable(Type.Integer()),
    reason: Type.Optional(AlarmEnd),
    peak: Nullable(Type.Number()),
    value: Nullable(Type.Number()),
    case: Nullable(Type.String()),
  }),
)

const caseFields = {
  id: Type.String(),
  state: Type.Enum(CASE_STATES),
  severity: Severity,
  category: Type.String(),
  title: Type.String(),
  site: Type.String(),
  street: Type.String(),
  grid: Type.String(),
  position: Nullable(PositionSchema),
  team: Nullable(Type.String({ description: 'answers for it now' })),
  crew: Nullable(Type.String({ description: 'accepted it' })),
  alarms: Type.Array(Type.String()),
  queuedAt: Time('when it was queued'),
  respondBy: Time('deadline of `accept`'),
  arriveBy: Time('deadline of `arrive`'),
  resolveBy: Time('deadline of `handle`'),
  deadlineColour: Type.Enum(DEADLINE_COLOURS),
  timeline: Type.Array(
    Type.Object({
      at: Time('when'),
      actor: Type.String({ description: 'user name, or `gateway`' }),
      action: Type.String(),
      note: Nullable(Type.String()),
      position: Nullable(PositionSchema),
      files: Type.Array(Type.String()),
      team: Type.Optional(Type.String({ description: 'the case went to it' })),
      crew: Type.Optional(Type.String({ description: 'took it on with this `accept`' })),
      offSite: Type.Optional(Type.Number({ description: 'metres from the site, when too far' })),
      until: Type.Optional(Time('the deadline that an `extend` set')),
      code: Type.Optional(Type.Enum(CLOSE_CODES)),
      publicNote: Type.Optional(Type.String({ description: 'what those who reported it are told' })),
      report: Type.Optional(Type.Enum(REPORT_SOURCES, { description: "a person's report, and how it came" })),
      department: Type.Optional(Type.String({ description: 'whose whistle it is about' })),
      clock: Type.Optional(Type.Enum(CLOCK_NAMES, { description: 'whose deadline colour came up' })),
      reason: Type.Optional(AlarmEnd),
    }),
  ),
  earlier: Type.Optional(
    Type.Integer({ description: 'entries before those of `timeline`, which a list leaves out beyond 50' }),
  ),
  links: Type.Object({ map: Nullable(Type.String()), console: Type.String() }),
  family: Type.String(),
  closeCode: Nullable(Type.Enum(CLOSE_CODES)),
  supervised: Type.Boolean(),
  simulated: Type.Boolean({ description: "all its alarms are simulated devices'" }),
  reports: Type.Integer({ description: 'people who reported it, as far as the timeline tells of them' }),
  version: Type.Integer({ description: 'send it as `expectedVersion` to act on what you saw' }),
  allowed: Type.Array(Type.Enum(ACTIONS), { description: 'what the state allows' }),
  teams: Type.Array(Type.String(), { description: 'every team that has had it; each may read it' }),
  standby: Type.Array(Type.String(), {
    description: 'it went up from them; until somebody has accepted it they still may',
  }),
  proposal: Nullable(
    Type.Enum(PROPOSALS, {
      description: 'set while all its alarms are over: `verify` once it is handled, else `normal`',
    }),
  ),
  previous: Nullable(
    Type.String({ description: 'the case of the same matter that was closed shortly before' }),
  ),
  pendingUntil: Nullable(
    Type.Integer({ description: 'no crew is called before: a loudspeaker speaks first' }),
  ),
  called: Type.Array(Type.String(), {
    description: 'teams that whistles have called and that are not done; it cannot be verified before',
  }),
  whistles: Type.Array(
    Type.Object({
      department: Type.String(),
      state: Type.Enum(WHISTLE_STATES),
      by: Type.String({ description: 'who blew it' }),
      at: Time('and when'),
      note: Type.String(),
      reportBy: Time('deadline to report in'),
      resolveBy: Time('deadline to be done'),
      deadlineColour: Type.Enum(DEADLINE_COLOURS),
      reportedAt: Nullable(Type.Integer()),
      position: Nullable(PositionSchema),
      endedAt: Nullable(Type.Integer({ description: 'when it was done or withdrawn' })),
      allowed: Type.Array(Type.Enum(WHISTLE_ACTIONS)),
    }),
  ),
  recurrence: Type.Boolean({ description: 'it has such a previous case' }),
}

/** A case for one user. */
export type OwnCase = Case & { readonly may: readonly Action[] }
export const OwnCaseShape = Type.Unsafe<OwnCase>(
  Type.Object({
    ...caseFields,
    may: Type.Array(Type.Enum(ACTIONS), { description: 'what of it you may do' }),
  }),
)

export const ReadingShape = Type.Unsafe<LiveReading>(
  Type.Object({
    ts: Time("the device's time"),
    metrics: Type.Record(Type.String(), Type.Union([Type.Number(), Type.Boolean()])),
    flags: Type.Optional(Type.Record(Type.String(), Type.Enum(FLAGS))),
    position: Type.Optional(PositionSchema),
    clock: Type.Optional(Type.Literal('gateway', { description: 'the device sent no time' })),
    receivedAt: Time('when the gateway took it in'),
  }),
)
