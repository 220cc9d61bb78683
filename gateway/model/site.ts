import { Type, type Static } from 'typebox'
import { AttributesSchema, PositionSchema } from './device.ts'
import { DURATION_PATTERN } from './duration.ts'
import { IDENTIFIER_PATTERN } from './identifier.ts'
import { DateSchema } from './roster.ts'
import { LINE_PATTERN } from './rule.ts'

const strict = { additionalProperties: false } as const
const Identifier = Type.String({ pattern: IDENTIFIER_PATTERN })
const Line = (maxLength: number) => Type.String({ minLength: 1, maxLength, pattern: LINE_PATTERN })
const Ids = Type.Array(Identifier, { minItems: 1, maxItems: 100, uniqueItems: true })

/** A purifier of cooking fume (油烟净化器). */
export const PurifierSchema = Type.Object(
  {
    model: Line(100),
    /** Of removal, %, as certified. */
    efficiency: Type.Number({ minimum: 0, maximum: 100 }),
    /** How often it is to be cleaned. */
    cleanEvery: Type.String({ pattern: DURATION_PATTERN }),
    /** The last cleaning before the register of cleanings begins. */
    cleaned: Type.Optional(DateSchema),
  },
  strict,
)

/** A kitchen that gives off fume, GB 18483-2001. */
export const KitchenSchema = Type.Object(
  {
    /** Base stoves (基准灶头数), clause 3: they need not be whole. */
    stoves: Type.Number({ minimum: 1, maximum: 1000 }),
    purifier: Type.Optional(PurifierSchema),
  },
  strict,
)

export const KITCHEN_SIZES = ['small', 'medium', 'large'] as const
export type KitchenSize = (typeof KITCHEN_SIZES)[number]

/** A section of a river with a class to reach, GB 3838-2002. */
export const SectionSchema = Type.Object(
  {
    river: Line(64),
    target: Type.Enum(['I', 'II', 'III', 'IV', 'V']),
    /** Sites next to it, up and down the water; it is enough to name each pair at one of the two. */
    upstream: Type.Optional(Ids),
    downstream: Type.Optional(Ids),
  },
  strict,
)

/** A water gauge: levels in metres of its own datum, 警戒水位 below 保证水位. */
export const GaugeSchema = Type.Object(
  { warning: Type.Number(), guarantee: Type.Number(), datum: Type.Optional(Line(64)) },
  strict,
)

/** People report here, behind a printed code. */
export const ReportPlaceSchema = Type.Object(
  {
    /** What may be reported; every category of the district when absent. */
    categories: Type.Optional(Type.Array(Type.String({ maxLength: 64 }), { minItems: 1, maxItems: 100 })),
  },
  strict,
)

/** A place that devices stand at and cases happen at; what it is say the parts that it has. */
export const SiteSchema = Type.Object(
  {
    id: Identifier,
    title: Type.Object({ en: Line(200), zh: Line(200) }, strict),
    street: Identifier,
    grid: Identifier,
    position: PositionSchema,
    address: Type.Optional(Line(200)),
    kitchen: Type.Optional(KitchenSchema),
    section: Type.Optional(SectionSchema),
    gauge: Type.Optional(GaugeSchema),
    reports: Type.Optional(ReportPlaceSchema),
    /** Devices that see or are heard here; found by distance when absent. */
    cameras: Type.Optional(Ids),
    loudspeakers: Type.Optional(Ids),
    drones: Type.Optional(Ids),
    /** For the rules, of every device of the site that has no such attribute of its own. */
    attributes: Type.Optional(AttributesSchema),
  },
  strict,
)
export type Site = Static<typeof SiteSchema>
export type Kitchen = Static<typeof KitchenSchema>
