import { Chance } from './chance.ts'
import { Loudspeaker } from './devices/loudspeaker.ts'
import { type Effect, type Model, round } from './devices/model.ts'
import { MIXING } from './devices/river.ts'
import { milliseconds } from './duration.ts'
import { activeOf, distorted, type Fault } from './faults.ts'
import { modelOf } from './kinds.ts'
import type { Measurement, Registration } from './reading.ts'
import { devicesOf, type Scenario, type ScenarioEpisode } from './scenario.ts'
import { downstream } from './waters.ts'

/**
 * The devices of a scenario, each with its physics, its faults and its beat. Times are milliseconds since the run began;
 * negative ones are its backlog. Pure: seed and scenario decide everything.
 */
export class District {
  readonly devices: readonly SimulatedDevice[]
  /** How far back devices can tell, ms. */
  readonly backlog: number
  /** The scenario's own time at which the run begins, epoch ms. */
  readonly begins: number

  constructor(scenario: Scenario, seed: number) {
    this.begins = Date.parse(scenario.begins)
    this.backlog = milliseconds(scenario.backlog ?? '0s')
    const effects = effectsOf(scenario, this.begins)
    const faults = faultsOf(scenario)
    this.devices = scenario.devices.map((device) => {
      const { path, ...registration } = device
      const chance = new Chance(seed, device.id)
      const every = milliseconds(scenario.every[device.kind]!)
      const sampled = scenario.averages === undefined ? every : milliseconds(scenario.averages)
      const setting = {
        chance,
        effects: effects.get(device.id) ?? [],
        position: device.position,
        path: path ?? [],
        attributes: device.attributes ?? {},
      }
      return new SimulatedDevice({
        registration: { ...registration, attributes: { ...device.attributes, simulated: true } },
        model: averaged(modelOf(device.kind, setting), every, sampled),
        faults: faults.get(device.id) ?? [],
        chance,
        begins: this.begins,
        every,
        phase: scenario.inStep === true ? 0 : Math.floor(chance.trait('phase', 0, every)),
      })
    })
  }
}

interface DeviceParts {
  readonly registration: Registration
  readonly model: Model
  readonly faults: readonly Fault[]
  readonly chance: Chance
  readonly begins: number
  readonly every: number
  readonly phase: number
}

export class SimulatedDevice {
  readonly registration: Registration
  readonly faults: readonly Fault[]
  readonly chance: Chance
  readonly #model: Model
  readonly #begins: number
  readonly #every: number
  readonly #phase: number

  constructor({ registration, model, faults, chance, begins, every, phase }: DeviceParts) {
    this.registration = registration
    this.faults = faults
    this.chance = chance
    this.#model = model
    this.#begins = begins
    this.#every = every
    this.#phase = phase
  }

  /** The first beat at or after a moment. Devices report out of step with each other, as they do in the field. */
  beatFrom(elapsed: number): number {
    return Math.ceil((elapsed - this.#phase) / this.#every) * this.#every + this.#phase
  }

  /** What it says that it measures: its physics, and its faults. */
  measure(elapsed: number): Measurement {
    const truly = (at: number): Measurement => this.#model.measure(this.#begins + at)
    return distorted(truly, this.faults, this.chance, elapsed)
  }

  /** Whether it is told to speak by `say` (contract §2); it speaks then. */
  say(text: string, elapsed: number): boolean {
    if (!(this.#model instanceof Loudspeaker)) return false
    this.#model.say(text, this.#begins + elapsed)
    return true
  }

  isOffline(elapsed: number): boolean {
    return activeOf(this.faults, 'offline', elapsed) !== undefined
  }
}

/** The mean of what a model measures in the time before, one sample each `sampled`; what is no number as it is now. */
function averaged(model: Model, every: number, sampled: number): Model {
  const samples = Math.floor(every / sampled)
  // A loudspeaker measures nothing, and is to be spoken to.
  if (samples <= 1 || model instanceof Loudspeaker) return model
  return {
    measure(at) {
      const all = Array.from({ length: samples }, (_, index) => model.measure(at - index * sampled))
      const metrics = Object.entries(all[0]!.metrics).map(([name, now]) => {
        if (typeof now !== 'number') return [name, now]
        return [name, round(all.reduce((sum, { metrics }) => sum + Number(metrics[name]), 0) / samples, 3)]
      })
      return { ...all[0]!, metrics: Object.fromEntries(metrics) as Measurement['metrics'] }
    },
  }
}

/** What befalls each device, by its id: a discharge also all sections further down. */
function effectsOf(scenario: Scenario, begins: number): Map<string, Effect[]> {
  const effects = new Map<string, Effect[]>()
  const add = (id: string, effect: Effect): void => {
    effects.set(id, [...(effects.get(id) ?? []), effect])
  }
  for (const episode of scenario.episodes ?? []) {
    for (const { id, kind } of devicesOf(scenario, episode.device)) {
      const effect = effectOf(episode, begins)
      if (kind !== 'river_station' || effect.what !== 'discharge') add(id, effect)
      else
        for (const plume of downstream({ section: id, effect: { ...effect, ramp: MIXING } }, scenario.waters))
          add(plume.section, plume.effect)
    }
  }
  return effects
}

function effectOf({ what, at, for: length, strength = 1, place }: ScenarioEpisode, begins: number): Effect {
  const from = begins + milliseconds(at)
  return { what, from, to: from + milliseconds(length), strength, ...(place && { place }) }
}

function faultsOf(scenario: Scenario): Map<string, Fault[]> {
  const faults = new Map<string, Fault[]>()
  for (const { device, at, for: length, expect: _expect, ...settings } of scenario.faults ?? []) {
    const from = milliseconds(at)
    const fault: Fault = { ...settings, from, to: from + milliseconds(length) }
    for (const { id } of devicesOf(scenario, device)) faults.set(id, [...(faults.get(id) ?? []), fault])
  }
  return faults
}
