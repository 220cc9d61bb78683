import { Boat, BOAT_EFFECTS } from './devices/boat.ts'
import { Camera, CAMERA_EFFECTS } from './devices/camera.ts'
import { Crowd, CROWD_EFFECTS } from './devices/crowd.ts'
import { Drone, DRONE_EFFECTS } from './devices/drone.ts'
import { GAS_EFFECTS, GasDetector } from './devices/gas.ts'
import { Gauge, GAUGE_EFFECTS } from './devices/gauge.ts'
import { Kitchen, KITCHEN_EFFECTS } from './devices/kitchen.ts'
import { Loudspeaker, LOUDSPEAKER_EFFECTS } from './devices/loudspeaker.ts'
import type { Model, Setting } from './devices/model.ts'
import { River, RIVER_EFFECTS } from './devices/river.ts'
import { Truck, TRUCK_EFFECTS } from './devices/truck.ts'

/** Every kind of contract §2 that the gateway comes with. */
export const SIMULATED_KINDS = [
  'cooking_fume',
  'river_station',
  'survey_boat',
  'water_level',
  'drone',
  'eco_camera',
  'crowd_counter',
  'gas_detector',
  'hazmat_vehicle',
  'loudspeaker',
] as const
export type SimulatedKind = (typeof SIMULATED_KINDS)[number]

/** What can befall a kind. */
export const EFFECTS: Record<SimulatedKind, readonly string[]> = {
  cooking_fume: KITCHEN_EFFECTS,
  river_station: RIVER_EFFECTS,
  survey_boat: BOAT_EFFECTS,
  water_level: GAUGE_EFFECTS,
  drone: DRONE_EFFECTS,
  eco_camera: CAMERA_EFFECTS,
  crowd_counter: CROWD_EFFECTS,
  gas_detector: GAS_EFFECTS,
  hazmat_vehicle: TRUCK_EFFECTS,
  loudspeaker: LOUDSPEAKER_EFFECTS,
}

export function modelOf(kind: SimulatedKind, setting: Setting): Model {
  switch (kind) {
    case 'cooking_fume':
      return new Kitchen(setting)
    case 'river_station':
      return new River(setting)
    case 'survey_boat':
      return new Boat(setting)
    case 'water_level':
      return new Gauge(setting)
    case 'drone':
      return new Drone(setting)
    case 'eco_camera':
      return new Camera(setting)
    case 'crowd_counter':
      return new Crowd(setting)
    case 'gas_detector':
      return new GasDetector(setting)
    case 'hazmat_vehicle':
      return new Truck(setting)
    case 'loudspeaker':
      return new Loudspeaker(setting)
    default:
      return kind satisfies never
  }
}
