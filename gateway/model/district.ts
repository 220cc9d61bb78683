import { Type, type Static } from 'typebox'
import { IDENTIFIER_PATTERN } from './identifier.ts'
import { PositionSchema } from './device.ts'

const Identifier = Type.String({ pattern: IDENTIFIER_PATTERN })
const Title = Type.Object({ en: Type.String(), zh: Type.String() }, { additionalProperties: false })

export const StreetSchema = Type.Object(
  {
    id: Identifier,
    title: Title,
    centre: PositionSchema,
    /** Grids are named `{street}-001` and on. */
    grids: Type.Integer({ minimum: 1, maximum: 999 }),
  },
  { additionalProperties: false },
)

/** Who is sent: a grid crew, a street's team or the district's own. */
export const TeamSchema = Type.Object(
  {
    id: Identifier,
    title: Title,
    level: Type.Union([Type.Literal('grid'), Type.Literal('street'), Type.Literal('district')]),
    /** Streets it serves; all of them when absent. */
    streets: Type.Optional(Type.Array(Identifier)),
    /** Grids it serves; all of its streets' when absent. */
    grids: Type.Optional(Type.Array(Identifier)),
    /** Case categories it takes; all when absent. */
    categories: Type.Optional(Type.Array(Type.String({ maxLength: 64 }))),
  },
  { additionalProperties: false },
)

export const DistrictSchema = Type.Object(
  {
    id: Identifier,
    title: Title,
    centre: PositionSchema,
    streets: Type.Array(StreetSchema, { minItems: 1 }),
    teams: Type.Array(TeamSchema, { minItems: 1 }),
  },
  { additionalProperties: false },
)
export type District = Static<typeof DistrictSchema>
export type Street = Static<typeof StreetSchema>
export type Team = Static<typeof TeamSchema>
