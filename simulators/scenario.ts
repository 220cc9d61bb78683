import { Type, type Static } from 'typebox'
import { DRONE_EFFECTS } from './devices/drone.ts'
import { GAUGE_EFFECTS } from './devices/gauge.ts'
import { KITCHEN_EFFECTS } from './devices/kitchen.ts'
import { RIVER_EFFECTS } from './devices/river.ts'
import { DocumentError, readDocument, nameOf, parseDocument } from './document.ts'
import { DURATION_PATTERN } from './duration.ts'
import { IDENTIFIER_PATTERN } from './reading.ts'

/** Kinds that there is a model for, and what can befall them. */
export const EFFECTS = {
  cooking_fume: KITCHEN_EFFECTS,
  river_station: RIVER_EFFECTS,
  water_level: GAUGE_EFFECTS,
  drone: DRONE_EFFECTS,
} as const satisfies Record<string, readonly string[]>
export type SimulatedKind = keyof typeof EFFECTS

const strict = { additionalProperties: false } as const
const Identifier = Type.String({ pattern: IDENTIFIER_PATTERN })
const Duration = Type.String({ pattern: DURATION_PATTERN })
const Kind = Type.Unsafe<SimulatedKind>({ enum: Object.keys(EFFECTS) })

export const ScenarioSchema = Type.Object(
  {
    id: Identifier,
    title: Type.Object({ en: Type.String(), zh: Type.String() }, strict),
    /** The moment of the models' own day at which the run begins: a dinner peak at any hour of the real day. */
    begins: Type.String({ pattern: '^\\d{4}-\\d\\d-\\d\\dT\\d\\d:\\d\\d:\\d\\d(Z|[+-]\\d\\d:\\d\\d)$' }),
    /** What devices have measured before the run and hand over when they connect. */
    backlog: Type.Optional(Duration),
    /** How often a device of a kind reports. */
    every: Type.Unsafe<Partial<Record<SimulatedKind, string>>>(
      Type.Object(
        Object.fromEntries(Object.keys(EFFECTS).map((kind) => [kind, Type.Optional(Duration)])),
        strict,
      ),
    ),
    devices: Type.Array(
      Type.Object(
        {
          id: Identifier,
          kind: Kind,
          site: Identifier,
          street: Identifier,
          grid: Identifier,
          position: Type.Tuple([
            Type.Number({ minimum: -180, maximum: 180 }),
            Type.Number({ minimum: -90, maximum: 90 }),
          ]),
          attributes: Type.Optional(
            Type.Record(Type.String(), Type.Union([Type.Number(), Type.Boolean(), Type.String()])),
          ),
        },
        strict,
      ),
      { minItems: 1, maxItems: 20_000 },
    ),
    episodes: Type.Optional(
      Type.Array(
        Type.Object(
          {
            device: Identifier,
            what: Type.String(),
            /** From the start of the run; `-4m` is within the backlog. */
            at: Type.String({ pattern: DURATION_PATTERN.replace('^', '^-?') }),
            for: Duration,
            strength: Type.Optional(Type.Number({ minimum: 0 })),
          },
          strict,
        ),
      ),
    ),
  },
  strict,
)
export type Scenario = Static<typeof ScenarioSchema>

/** Throws a {@link DocumentError} that names what is wrong. */
export function readScenario(file: string | URL): Scenario {
  return checked(readDocument(file, ScenarioSchema), nameOf(file))
}

export function parseScenario(text: string, name: string): Scenario {
  return checked(parseDocument(text, ScenarioSchema, name), name)
}

/** What a schema cannot say: ids that are unique, and episodes that happen to somebody. */
function checked(scenario: Scenario, name: string): Scenario {
  const kinds = new Map<string, SimulatedKind>()
  for (const { id, kind } of scenario.devices) {
    if (kinds.has(id)) throw new DocumentError(`${name}: device ${id} is there twice`)
    if (scenario.every[kind] === undefined) throw new DocumentError(`${name}: every.${kind} is missing`)
    kinds.set(id, kind)
  }
  for (const { device, what } of scenario.episodes ?? []) {
    const kind = kinds.get(device)
    if (kind === undefined) throw new DocumentError(`${name}: an episode names ${device}, which is no device`)
    const known: readonly string[] = EFFECTS[kind]
    if (!known.includes(what)) {
      throw new DocumentError(`${name}: ${what} cannot befall ${device}; expected ${known.join(', ')}`)
    }
  }
  return scenario
}
