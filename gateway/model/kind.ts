import { Type, type Static } from 'typebox'
import { DURATION_PATTERN } from './duration.ts'
import { IDENTIFIER_PATTERN } from './identifier.ts'

const Title = Type.Object(
  { en: Type.String({ minLength: 1 }), zh: Type.String({ minLength: 1 }) },
  { additionalProperties: false },
)

/**
 * What a healthy instrument can report, in the metric's unit. Unlike a value out of `minimum` and `maximum` of the
 * metric itself, which is refused, one beyond it is stored and shown; but it feeds no threshold, and rules may ask
 * for it (`implausible`). Neighbouring readings differ by no more than `step`; when they are further than `per`
 * apart, by no more than `step` for each `per` between them.
 */
export const PlausibleSchema = Type.Object(
  {
    minimum: Type.Optional(Type.Number()),
    maximum: Type.Optional(Type.Number()),
    step: Type.Optional(Type.Number({ exclusiveMinimum: 0 })),
    per: Type.Optional(Type.String({ pattern: DURATION_PATTERN })),
  },
  { additionalProperties: false, minProperties: 1 },
)
export type Plausible = Static<typeof PlausibleSchema>

/** One metric of a kind: its unit, its type and the range outside of which a value cannot be true. */
export const MetricSchema = Type.Object(
  {
    type: Type.Union([Type.Literal('number'), Type.Literal('boolean')]),
    /** Empty for a count, a ratio or a boolean. */
    unit: Type.String({ maxLength: 16 }),
    title: Title,
    /** What cannot be, not what is too much: a flood must pass to be judged. */
    minimum: Type.Optional(Type.Number()),
    maximum: Type.Optional(Type.Number()),
    plausible: Type.Optional(PlausibleSchema),
    /** Decimals that a person is shown. */
    decimals: Type.Optional(Type.Integer({ minimum: 0, maximum: 6 })),
  },
  { additionalProperties: false },
)
export type Metric = Static<typeof MetricSchema>

/** A kind of device. Kinds are data: a new one is a file in `kinds/`, not code. */
export const KindSchema = Type.Object(
  {
    id: Type.String({ pattern: IDENTIFIER_PATTERN }),
    title: Title,
    /** Moving kinds send a position with each reading. */
    moving: Type.Optional(Type.Boolean()),
    metrics: Type.Record(Type.String({ pattern: '^[a-z][a-z0-9_]{0,63}$' }), MetricSchema, {
      additionalProperties: false,
      minProperties: 1,
    }),
  },
  { additionalProperties: false },
)
export type Kind = Static<typeof KindSchema>

export type Kinds = ReadonlyMap<string, Kind>
