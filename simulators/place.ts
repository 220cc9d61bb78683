import { Type, type Static } from 'typebox'
import { IDENTIFIER_PATTERN, type Position } from './reading.ts'
import { SIMULATED_KINDS, type SimulatedKind } from './kinds.ts'
import { ReachSchema } from './waters.ts'

const strict = { additionalProperties: false } as const
export const Identifier = Type.String({ pattern: IDENTIFIER_PATTERN })
export const Kind = Type.Unsafe<SimulatedKind>({ enum: [...SIMULATED_KINDS] })
export const PositionSchema = Type.Unsafe<Position>(
  Type.Tuple([Type.Number({ minimum: -180, maximum: 180 }), Type.Number({ minimum: -90, maximum: 90 })]),
)

export const DeviceSchema = Type.Object(
  {
    id: Identifier,
    kind: Kind,
    site: Identifier,
    street: Identifier,
    grid: Identifier,
    position: PositionSchema,
    attributes: Type.Optional(
      Type.Record(Type.String(), Type.Union([Type.Number(), Type.Boolean(), Type.String()])),
    ),
    /** Waypoints of what moves: a drone's wayline, a boat's course, a lorry's route. */
    path: Type.Optional(Type.Array(PositionSchema, { minItems: 1, maxItems: 200 })),
  },
  strict,
)
export type ScenarioDevice = Static<typeof DeviceSchema>

/** A district's devices, and how its waters run: what several scenarios play in. */
export const PlaceSchema = Type.Object(
  {
    id: Identifier,
    devices: Type.Array(DeviceSchema, { minItems: 1, maxItems: 20_000 }),
    waters: Type.Optional(Type.Array(ReachSchema, { maxItems: 1000 })),
  },
  strict,
)
export type Place = Static<typeof PlaceSchema>

/** Whether an id is one of those that a pattern means: `*` stands for any characters. */
export function means(pattern: string, id: string): boolean {
  const [first = '', ...rest] = pattern.split('*')
  if (rest.length === 0) return pattern === id
  if (!id.startsWith(first)) return false
  const last = rest.pop()!
  let at = first.length
  for (const part of rest) {
    const found = id.indexOf(part, at)
    if (found < 0) return false
    at = found + part.length
  }
  return id.length - last.length >= at && id.endsWith(last)
}
