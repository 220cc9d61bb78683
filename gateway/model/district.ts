import { Type, type Static } from 'typebox'
import { IDENTIFIER_PATTERN } from './identifier.ts'
import { AreaGeometrySchema } from './area.ts'
import { PositionSchema } from './device.ts'

const Identifier = Type.String({ pattern: IDENTIFIER_PATTERN })
const Title = Type.Object({ en: Type.String(), zh: Type.String() }, { additionalProperties: false })

export const StreetSchema = Type.Object(
  {
    id: Identifier,
    title: Title,
    centre: PositionSchema,
    /** How far `centre` may be off, metres; exact when absent. */
    accuracy: Type.Optional(Type.Number({ minimum: 0 })),
    /** Grids are named `{street}-001` and on. */
    grids: Type.Integer({ minimum: 1, maximum: 999 }),
  },
  { additionalProperties: false },
)

/** Rising: a case starts at the lowest level that has a team for it and goes up from there. */
export const LEVELS = ['grid', 'street', 'district'] as const
export type Level = (typeof LEVELS)[number]
const LevelSchema = Type.Union([Type.Literal('grid'), Type.Literal('street'), Type.Literal('district')])

/** Who is sent: a grid crew, a street's team or the district's own. */
export const TeamSchema = Type.Object(
  {
    id: Identifier,
    title: Title,
    level: LevelSchema,
    /** Streets it serves; all of them when absent. */
    streets: Type.Optional(Type.Array(Identifier)),
    /** Grids it serves; all of its streets' when absent. */
    grids: Type.Optional(Type.Array(Identifier)),
    /** Case categories it takes; all when absent. */
    categories: Type.Optional(Type.Array(Type.String({ maxLength: 64 }))),
  },
  { additionalProperties: false },
)

/** A part of the district that rules may name (`insideArea: harbour`). */
export const AreaSchema = Type.Object(
  { id: Identifier, title: Title, geometry: AreaGeometrySchema },
  { additionalProperties: false },
)

export const DistrictSchema = Type.Object(
  {
    id: Identifier,
    title: Title,
    centre: PositionSchema,
    streets: Type.Array(StreetSchema, { minItems: 1 }),
    teams: Type.Array(TeamSchema, { minItems: 1 }),
    areas: Type.Optional(Type.Array(AreaSchema, { maxItems: 1000 })),
    /** The level at which a category starts; the grid when absent. */
    starts: Type.Optional(Type.Record(Type.String({ maxLength: 64 }), LevelSchema)),
  },
  { additionalProperties: false },
)
export type District = Static<typeof DistrictSchema>
export type Street = Static<typeof StreetSchema>
export type Team = Static<typeof TeamSchema>
