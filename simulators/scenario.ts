import { Type, type Static, type TSchema } from 'typebox'
import { placeFile } from './built-in.ts'
import { DocumentError, nameOf, parseDocument, readDocument } from './document.ts'
import { DURATION_PATTERN, SIGNED_DURATION_PATTERN } from './duration.ts'
import { FAULT_SCHEMAS, type FaultSettings } from './faults.ts'
import { EFFECTS, SIMULATED_KINDS, type SimulatedKind } from './kinds.ts'
import { DeviceSchema, Identifier, means, PlaceSchema, PositionSchema, type ScenarioDevice } from './place.ts'
import { circle, type Reach, ReachSchema } from './waters.ts'

const strict = { additionalProperties: false } as const
const Duration = Type.String({ pattern: DURATION_PATTERN })
/** A device id, or several by `*`. */
const Devices = Type.String({ pattern: '^[A-Za-z0-9*][A-Za-z0-9_.*-]{0,63}$' })

/** An alarm that must come of an episode: of this rule, at each of these devices. */
export const ExpectationSchema = Type.Object(
  {
    rule: Identifier,
    /** Those of the episode when absent. */
    device: Type.Optional(Devices),
    /** How long after the episode begins it is felt there. */
    delay: Type.Optional(Duration),
    /** How long after that the alarm may take; until the episode's echo is over when absent. */
    within: Type.Optional(Duration),
    /** How long after the episode's end it is still felt there; an hour when absent. */
    echo: Type.Optional(Duration),
    /** It may come or not: nobody would blame a rule for either. */
    may: Type.Optional(Type.Boolean()),
  },
  strict,
)
export type Expectation = Static<typeof ExpectationSchema>

/** What episodes and faults have in common. */
const occurrence = {
  device: Devices,
  /** From the start of the run; `-4m` is within the backlog. */
  at: Type.String({ pattern: SIGNED_DURATION_PATTERN }),
  for: Duration,
  expect: Type.Optional(Type.Array(ExpectationSchema, { maxItems: 50 })),
}
const OccurrenceSchema = Type.Object(occurrence)

export const EpisodeSchema = Type.Object(
  {
    ...occurrence,
    what: Type.String(),
    strength: Type.Optional(Type.Number({ minimum: 0 })),
    place: Type.Optional(PositionSchema),
  },
  strict,
)
export type ScenarioEpisode = Static<typeof EpisodeSchema>

export type ScenarioFault = FaultSettings & Static<typeof OccurrenceSchema>
const FaultSchema = Type.Unsafe<ScenarioFault>({
  type: 'object',
  required: ['fault'],
  properties: { fault: { enum: Object.keys(FAULT_SCHEMAS) } },
  // Branches, so that an error speaks of the fault that was meant instead of every fault that there is.
  allOf: Object.entries<TSchema & { properties: Record<string, TSchema> }>(FAULT_SCHEMAS).map(
    ([name, { properties }]) => ({
      if: { properties: { fault: { const: name } }, required: ['fault'] },
      // oxlint-disable-next-line unicorn/no-thenable -- the keyword of JSON Schema
      then: Type.Object({ ...occurrence, ...properties }, strict),
    }),
  ),
})

export const ScenarioSchema = Type.Object(
  {
    id: Identifier,
    title: Type.Object({ en: Type.String(), zh: Type.String() }, strict),
    /** The moment of the models' own day at which the run begins: a dinner peak at any hour of the real day. */
    begins: Type.String({ pattern: '^\\d{4}-\\d\\d-\\d\\dT\\d\\d:\\d\\d:\\d\\d(Z|[+-]\\d\\d:\\d\\d)$' }),
    /** Device time that a run spans unless it is told otherwise. */
    lasts: Type.Optional(Duration),
    /** What devices have measured before the run and hand over when they connect. */
    backlog: Type.Optional(Duration),
    /** How often a device of a kind reports. */
    every: Type.Unsafe<Partial<Record<SimulatedKind, string>>>(
      Type.Object(Object.fromEntries(SIMULATED_KINDS.map((kind) => [kind, Type.Optional(Duration)])), strict),
    ),
    /** All devices of an interval report at once, at its full multiples, as loggers of HJ 212 do. */
    inStep: Type.Optional(Type.Boolean()),
    /**
     * Devices report the mean since their last report, out of one sample each this long, as loggers of HJ 212 do (CN 2051);
     * what they measure at the moment when absent.
     */
    averages: Type.Optional(Duration),
    /** A place of `places/`, and which of its devices take part; all of them when `take` is absent. */
    place: Type.Optional(Identifier),
    take: Type.Optional(Type.Array(Devices, { minItems: 1 })),
    devices: Type.Optional(Type.Array(DeviceSchema, { maxItems: 20_000 })),
    waters: Type.Optional(Type.Array(ReachSchema, { maxItems: 1000 })),
    episodes: Type.Optional(Type.Array(EpisodeSchema, { maxItems: 10_000 })),
    faults: Type.Optional(Type.Array(FaultSchema, { maxItems: 10_000 })),
  },
  strict,
)

/** A scenario with its place: complete. */
export interface Scenario extends Omit<Static<typeof ScenarioSchema>, 'place' | 'take'> {
  readonly devices: ScenarioDevice[]
  readonly waters: Reach[]
}

/** Throws a {@link DocumentError} that names what is wrong. */
export function readScenario(file: string | URL): Scenario {
  return checked(placed(readDocument(file, ScenarioSchema), nameOf(file)), nameOf(file))
}

export function parseScenario(text: string, name: string): Scenario {
  return checked(placed(parseDocument(text, ScenarioSchema, name), name), name)
}

/** Devices that an episode, a fault or an expectation names. */
export function devicesOf({ devices }: Pick<Scenario, 'devices'>, pattern: string): ScenarioDevice[] {
  return devices.filter(({ id }) => means(pattern, id))
}

function placed(document: Static<typeof ScenarioSchema>, name: string): Scenario {
  const { place, take = ['*'], ...scenario } = document
  const own = scenario.devices ?? []
  if (place === undefined) return { ...scenario, devices: own, waters: scenario.waters ?? [] }
  const { devices, waters = [] } = readDocument(placeFile(place), PlaceSchema)
  for (const pattern of take) {
    if (!devices.some(({ id }) => means(pattern, id)))
      throw new DocumentError(`${name}: take: ${pattern} is no device of ${place}`)
  }
  const taken = devices.filter(({ id }) => take.some((pattern) => means(pattern, id)))
  return { ...scenario, devices: [...taken, ...own], waters: [...waters, ...(scenario.waters ?? [])] }
}

/** What a schema cannot say: ids that are unique, occurrences that happen to somebody, and water that runs downhill. */
function checked(scenario: Scenario, name: string): Scenario {
  if (scenario.devices.length === 0) throw new DocumentError(`${name}: devices: there is none`)
  const ids = new Set<string>()
  for (const { id, kind } of scenario.devices) {
    if (ids.has(id)) throw new DocumentError(`${name}: device ${id} is there twice`)
    if (scenario.every[kind] === undefined) throw new DocumentError(`${name}: every.${kind} is missing`)
    ids.add(id)
  }
  for (const { device, what, expect } of scenario.episodes ?? []) {
    for (const { id, kind } of named(scenario, device, 'an episode', name)) {
      const known = EFFECTS[kind]
      if (!known.includes(what))
        throw new DocumentError(`${name}: ${what} cannot befall ${id}; expected ${known.join(', ')}`)
    }
    checkExpectations(scenario, expect, name)
  }
  for (const { device, expect } of scenario.faults ?? []) {
    named(scenario, device, 'a fault', name)
    checkExpectations(scenario, expect, name)
  }
  const round = circle(scenario.waters)
  if (round !== undefined) throw new DocumentError(`${name}: waters: ${round} lies below itself`)
  return scenario
}

function checkExpectations(scenario: Scenario, expect: readonly Expectation[] = [], name: string): void {
  for (const { device } of expect) {
    if (device !== undefined) named(scenario, device, 'an expectation', name)
  }
}

function named(scenario: Scenario, pattern: string, who: string, name: string): ScenarioDevice[] {
  const found = devicesOf(scenario, pattern)
  if (found.length === 0) throw new DocumentError(`${name}: ${who} names ${pattern}, which is no device`)
  return found
}
