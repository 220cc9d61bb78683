import { Type, type Static } from 'typebox'
import { IDENTIFIER_PATTERN } from './identifier.ts'
import { DAYS, LINE_PATTERN } from './rule.ts'

const strict = { additionalProperties: false } as const
const Identifier = Type.String({ pattern: IDENTIFIER_PATTERN })
const Line = (maxLength: number) => Type.String({ minLength: 1, maxLength, pattern: LINE_PATTERN })

/** `2026-10-01`, a day in China. */
export const DATE_PATTERN = '^\\d{4}-\\d{2}-\\d{2}$'
export const DateSchema = Type.String({ pattern: DATE_PATTERN })

export const SHIFT_HOURS_PATTERN = '^([01]\\d|2[0-3]):[0-5]\\d-(([01]\\d|2[0-3]):[0-5]\\d|24:00)$'

/** Days off and on that the state announces each year (调休): they decide what `workday` and `holiday` mean. */
export const CalendarSchema = Type.Object(
  {
    /** Both days included; `to` is `from` when absent. */
    holidays: Type.Optional(
      Type.Array(
        Type.Object(
          { from: DateSchema, to: Type.Optional(DateSchema), title: Type.Optional(Line(64)) },
          strict,
        ),
        { maxItems: 1000 },
      ),
    ),
    /** Saturdays and Sundays on which people work all the same. */
    workdays: Type.Optional(Type.Array(DateSchema, { maxItems: 1000 })),
  },
  strict,
)
export type DutyCalendar = Static<typeof CalendarSchema>

/** Personal data: shown to whom it concerns only, and every look is in the audit. */
export const MemberSchema = Type.Object(
  {
    id: Identifier,
    name: Line(64),
    phone: Line(32),
    /** As whom he signs in to the gateway, where he does. */
    user: Type.Optional(Line(64)),
  },
  strict,
)
export type Member = Static<typeof MemberSchema>

/** A day of the week, or what the calendar makes of a date. */
export const DUTY_DAYS = [...DAYS, 'workday', 'holiday'] as const
export type DutyDay = (typeof DUTY_DAYS)[number]

export const ShiftSchema = Type.Object(
  {
    /** Any of them; every day when absent. */
    days: Type.Optional(Type.Array(Type.Enum([...DUTY_DAYS]), { minItems: 1, uniqueItems: true })),
    /** `08:00-20:00` in China; `20:00-08:00` runs over midnight and belongs to the day that it begins on. */
    hours: Type.String({ pattern: SHIFT_HOURS_PATTERN }),
    /** Ids of members. */
    members: Type.Array(Identifier, { minItems: 1, maxItems: 500 }),
  },
  strict,
)
export type Shift = Static<typeof ShiftSchema>

/** Dates on which it is otherwise. Shifts belong to the date that they begin on. */
export const ExceptionSchema = Type.Object(
  {
    from: DateSchema,
    /** Included; `from` alone when absent. */
    to: Type.Optional(DateSchema),
    note: Type.Optional(Line(200)),
    /** Instead of the ordinary shifts; none at all when it is empty. */
    shifts: Type.Optional(Type.Array(ShiftSchema, { maxItems: 100 })),
    /** Members who are not there, whatever the shifts say. */
    away: Type.Optional(Type.Array(Identifier, { minItems: 1, maxItems: 500 })),
  },
  strict,
)

export const RosterSchema = Type.Object(
  {
    members: Type.Array(MemberSchema, { minItems: 1, maxItems: 500 }),
    shifts: Type.Array(ShiftSchema, { minItems: 1, maxItems: 100 }),
    exceptions: Type.Optional(Type.Array(ExceptionSchema, { maxItems: 1000 })),
  },
  strict,
)
export type Roster = Static<typeof RosterSchema>
