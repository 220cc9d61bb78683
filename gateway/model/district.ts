import { Type, type Static } from 'typebox'
import { AreaGeometrySchema } from './area.ts'
import { PositionSchema } from './device.ts'
import { DURATION_PATTERN } from './duration.ts'
import { IDENTIFIER_PATTERN } from './identifier.ts'
import { CalendarSchema, RosterSchema } from './roster.ts'
import { LINE_PATTERN } from './rule.ts'
import { SiteSchema } from './site.ts'

/**
 * A district as one file of data (gateway/district/README.md explains each key). What a schema cannot say, such as
 * a street that a team serves and the district has not, is for `gateway/district/check.ts`.
 */
const strict = { additionalProperties: false } as const
const Identifier = Type.String({ pattern: IDENTIFIER_PATTERN })
const Text = Type.String({ minLength: 1, maxLength: 200, pattern: LINE_PATTERN })
const Title = Type.Object({ en: Text, zh: Text }, strict)
const Duration = Type.String({ pattern: DURATION_PATTERN })
/** The same words as a rule's `dispatch.category`. */
export const CATEGORY_PATTERN = LINE_PATTERN
const CategoryId = Type.String({ minLength: 1, maxLength: 64, pattern: CATEGORY_PATTERN })

export const StreetSchema = Type.Object(
  {
    id: Identifier,
    title: Title,
    centre: PositionSchema,
    /** How far `centre` may be off, metres; exact when absent. */
    accuracy: Type.Optional(Type.Number({ minimum: 0 })),
    /** Its border, where it is known. */
    geometry: Type.Optional(AreaGeometrySchema),
    /** Where it is not: how far the street reaches from its centre, metres; 5,000 when absent. */
    reach: Type.Optional(Type.Number({ minimum: 0 })),
    /** How many numbered grids it has, `{street}-001` and on; 0 where all of them have names of their own. */
    grids: Type.Integer({ minimum: 0, maximum: 999 }),
  },
  strict,
)

/** What is known of one grid: a numbered one, or one with an id of its own. */
export const GridSchema = Type.Object(
  {
    id: Identifier,
    street: Identifier,
    title: Type.Optional(Title),
    centre: Type.Optional(PositionSchema),
    geometry: Type.Optional(AreaGeometrySchema),
  },
  strict,
)

/** Rising: a case starts at the lowest level that has a team for it and goes up from there. */
export const LEVELS = ['grid', 'street', 'district'] as const
export type Level = (typeof LEVELS)[number]
const LevelSchema = Type.Enum([...LEVELS])

/** Departments (城管, 环保 …) stand beside the ladder: they come when a street whistles for them. */
export const TEAM_LEVELS = [...LEVELS, 'department'] as const
export type TeamLevel = (typeof TEAM_LEVELS)[number]

/** What cases are about. */
export const CategorySchema = Type.Object(
  {
    title: Title,
    /** The level at which its cases start; the grid when absent. */
    starts: Type.Optional(LevelSchema),
    /** Allowed times where no rule gives any: a person's report, a register. */
    respond: Type.Optional(Duration),
    arrive: Type.Optional(Duration),
    resolve: Type.Optional(Duration),
    /** Teams of level department that may be whistled for; all of them when absent. */
    departments: Type.Optional(Type.Array(Identifier, { minItems: 1, maxItems: 100, uniqueItems: true })),
    /** Allowed times of a department from the whistle on; the configuration's when absent. */
    whistle: Type.Optional(
      Type.Object({ reportIn: Type.Optional(Duration), resolve: Type.Optional(Duration) }, strict),
    ),
  },
  strict,
)
export type Category = Static<typeof CategorySchema>

/** Who is sent: a grid crew, a street's team, the district's own, or a department that is whistled for. */
export const TeamSchema = Type.Object(
  {
    id: Identifier,
    title: Title,
    level: Type.Enum([...TEAM_LEVELS]),
    /** Streets it serves; all of them when absent. */
    streets: Type.Optional(Type.Array(Identifier)),
    /** Grids it serves; all of its streets' when absent. */
    grids: Type.Optional(Type.Array(Identifier)),
    /** Case categories it takes; all when absent. */
    categories: Type.Optional(Type.Array(CategoryId)),
    /** Who is on duty when; without one it counts as one person who always is. */
    roster: Type.Optional(RosterSchema),
  },
  strict,
)

/** What an area is for; rules name areas whatever their use. */
export const AREA_USES = ['closed', 'flight', 'route', 'parking', 'other'] as const

/** A part of the district that rules may name (`insideArea: harbour`). */
export const AreaSchema = Type.Object(
  {
    id: Identifier,
    title: Title,
    use: Type.Optional(Type.Enum([...AREA_USES])),
    geometry: AreaGeometrySchema,
  },
  strict,
)

export const DistrictSchema = Type.Object(
  {
    id: Identifier,
    title: Title,
    centre: PositionSchema,
    /** Its border, where it is known. */
    geometry: Type.Optional(AreaGeometrySchema),
    /** Where it is not: how far the district reaches from its centre, metres; 30,000 when absent. */
    reach: Type.Optional(Type.Number({ minimum: 0 })),
    streets: Type.Array(StreetSchema, { minItems: 1, maxItems: 1000 }),
    grids: Type.Optional(Type.Array(GridSchema, { maxItems: 100_000 })),
    calendar: Type.Optional(CalendarSchema),
    categories: Type.Optional(
      Type.Record(CategoryId, CategorySchema, { additionalProperties: false, maxProperties: 200 }),
    ),
    teams: Type.Array(TeamSchema, { minItems: 1, maxItems: 10_000 }),
    areas: Type.Optional(Type.Array(AreaSchema, { maxItems: 1000 })),
    sites: Type.Optional(Type.Array(SiteSchema, { maxItems: 100_000 })),
  },
  strict,
)
export type District = Static<typeof DistrictSchema>
export type Street = Static<typeof StreetSchema>
export type Grid = Static<typeof GridSchema>
export type Team = Static<typeof TeamSchema>
/** A team that cases are sent to. */
export type LadderTeam = Team & { readonly level: Level }
