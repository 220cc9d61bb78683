import { Chance } from './chance.ts'
import { Drone } from './devices/drone.ts'
import { Gauge } from './devices/gauge.ts'
import { Kitchen } from './devices/kitchen.ts'
import type { Effect, Model } from './devices/model.ts'
import { River } from './devices/river.ts'
import { milliseconds } from './duration.ts'
import type { Measurement, Registration } from './reading.ts'
import type { Scenario, SimulatedKind } from './scenario.ts'

/**
 * The devices of a scenario, each with its physics and its beat. Times are milliseconds since the run began;
 * negative ones are its backlog. Pure: seed and scenario decide everything.
 */
export class District {
  readonly devices: readonly SimulatedDevice[]
  /** How far back devices can tell, ms. */
  readonly backlog: number

  constructor(scenario: Scenario, seed: number) {
    const begins = Date.parse(scenario.begins)
    this.backlog = milliseconds(scenario.backlog ?? '0s')
    this.devices = scenario.devices.map((device) => {
      const chance = new Chance(seed, device.id)
      const effects = (scenario.episodes ?? [])
        .filter((episode) => episode.device === device.id)
        .map((episode) => effect(episode, begins))
      const every = milliseconds(scenario.every[device.kind]!)
      return new SimulatedDevice(
        { ...device, attributes: { ...device.attributes, simulated: true } },
        MODELS[device.kind](device, chance, effects),
        begins,
        every,
        Math.floor(chance.trait('phase', 0, every)),
      )
    })
  }
}

export class SimulatedDevice {
  readonly registration: Registration
  readonly #model: Model
  readonly #begins: number
  readonly #every: number
  readonly #phase: number

  constructor(registration: Registration, model: Model, begins: number, every: number, phase: number) {
    this.registration = registration
    this.#model = model
    this.#begins = begins
    this.#every = every
    this.#phase = phase
  }

  /** The first beat at or after a moment. Devices report out of step with each other, as they do in the field. */
  beatFrom(elapsed: number): number {
    return Math.ceil((elapsed - this.#phase) / this.#every) * this.#every + this.#phase
  }

  measure(elapsed: number): Measurement {
    return this.#model.measure(this.#begins + elapsed)
  }
}

type ModelOf = (device: Scenario['devices'][number], chance: Chance, effects: readonly Effect[]) => Model

const MODELS: Record<SimulatedKind, ModelOf> = {
  cooking_fume: ({ attributes }, chance, effects) => new Kitchen(chance, effects, attributes ?? {}),
  river_station: (_, chance, effects) => new River(chance, effects),
  water_level: (_, chance, effects) => new Gauge(chance, effects),
  drone: ({ position, attributes }, chance, effects) =>
    new Drone(chance, effects, position, attributes ?? {}),
}

function effect(episode: NonNullable<Scenario['episodes']>[number], begins: number): Effect {
  const from = begins + milliseconds(episode.at)
  return { what: episode.what, from, to: from + milliseconds(episode.for), strength: episode.strength ?? 1 }
}
