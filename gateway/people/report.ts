import { Type, type Static } from 'typebox'
import { SEVERITIES, type Severity } from '../model/alarm.ts'
import type { ReportSource } from '../model/case.ts'
import { PositionSchema } from '../model/device.ts'
import { IDENTIFIER_PATTERN } from '../model/identifier.ts'
import type { Position } from '../model/reading.ts'
import type { User } from '../model/user.ts'

const Identifier = Type.String({ pattern: IDENTIFIER_PATTERN })

/** Characters of what somebody says; the public page allows fewer. */
export const TEXT_LIMIT = 2000
export const NAME_LIMIT = 64

const ExternalId = Type.String({
  minLength: 1,
  maxLength: 64,
  pattern: '^[\\x21-\\x7e]+$',
  description: "the sender's own id: the same one sent again is the same report",
})

/** What a person who has signed in, or a program such as the 12345 hotline, reports (contract §5, `POST /cases`). */
const properties = {
  category: Type.String({ minLength: 1, maxLength: 64, description: 'a category of the district' }),
  text: Type.String({ minLength: 1, maxLength: TEXT_LIMIT, description: 'what is the matter' }),
  position: Type.Optional({ ...PositionSchema, description: 'WGS-84; where it is' }),
  place: Type.Optional(
    Type.String({ pattern: IDENTIFIER_PATTERN, description: 'a place (site) of the district file' }),
  ),
  site: Type.Optional(
    Type.String({
      pattern: IDENTIFIER_PATTERN,
      description: "the same, or a device's site; one that nobody knows needs a position or a street",
    }),
  ),
  street: Type.Optional(
    Type.String({
      pattern: IDENTIFIER_PATTERN,
      description: 'the one of the place, or the one of the position, when left out',
    }),
  ),
  grid: Type.Optional(Identifier),
  name: Type.Optional(Type.String({ maxLength: 200, description: 'of whom to call back' })),
  phone: Type.Optional(
    Type.String({ maxLength: 40, description: 'mainland mobile, or landline with area code' }),
  ),
  externalId: Type.Optional(ExternalId),
  severity: Type.Optional(Type.Enum(SEVERITIES, { description: 'yellow when left out' })),
}

export const ReportBody = Type.Object(
  {
    ...properties,
    source: Type.Optional(
      Type.Union([Type.Literal('report'), Type.Literal('hotline'), Type.Literal('patrol')], {
        description: 'report when left out',
      }),
    ),
  },
  { additionalProperties: false },
)
export type ReportBody = Static<typeof ReportBody>

/** One record of the hotline: its own id is what makes it safe to send it again. */
export const HotlineRecord = Type.Object(
  { ...properties, externalId: ExternalId },
  { additionalProperties: false },
)

/** A report through whatever door it came, checked and cleaned. */
export interface Report {
  readonly source: ReportSource
  /** The sender's own id: at most one ticket for each source and id. */
  readonly externalId: string | null
  /** Who put it in; null for the public page. */
  readonly reporter: User | null
  readonly category: string
  readonly text: string
  readonly spot: Spot
  /** Where the person who reports is, where that is not where it is about. */
  readonly from: Position | null
  readonly severity: Severity
  readonly name: string | null
  readonly phone: string | null
}

/** Where it is about, found out from what was said. */
export interface Spot {
  /** A place's or a device's site id, or one made of the position; null for a report that stands by itself. */
  readonly site: string | null
  readonly street: string
  readonly grid: string
  readonly position: Position | null
  /** For people: the place's name, or the street's. */
  readonly title: string
}

/** A report that cannot be taken: which part of it, and what was expected. */
export class BadReport extends Error {
  override readonly name = 'BadReport'
  readonly field: string

  constructor(field: string, message: string) {
    super(message)
    this.field = field
  }
}
