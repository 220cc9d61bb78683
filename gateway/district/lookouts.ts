import { distanceMetres } from '../dispatch/distance.ts'
import type { Device } from '../model/device.ts'
import type { District } from '../model/district.ts'
import type { Position } from '../model/reading.ts'

/** A device that can see or speak to a place. */
export interface Lookout {
  readonly device: string
  /** From the place, metres; null where one of the two has no position. */
  readonly metres: number | null
}

export interface Lookouts {
  readonly cameras: Lookout[]
  readonly loudspeakers: Lookout[]
  readonly drones: Lookout[]
}

/** Which kind serves as what, and how far away it is still of use, metres. No source: a voice carries that far. */
const ROLES = {
  cameras: { kind: 'eco_camera', within: 500 },
  loudspeakers: { kind: 'loudspeaker', within: 200 },
  drones: { kind: 'drone', within: 5_000 },
} as const
/** Of each, the nearest so many. */
const MOST = 3

/**
 * What can see or be heard at a place: what the district file names for its site, else what stands at the site, else
 * what is nearest. Of registered devices only, so that whatever is answered can be told to do something.
 */
export function lookoutsAt(
  place: { readonly site: string; readonly position: Position | null },
  { sites = [] }: Pick<District, 'sites'>,
  devices: Iterable<Device>,
): Lookouts {
  const site = sites.find(({ id }) => id === place.site)
  const position = place.position ?? (site?.position as Position | undefined) ?? null
  const registered = [...devices]
  const find = (role: keyof typeof ROLES): Lookout[] => {
    const { kind, within } = ROLES[role]
    const named = site?.[role]
    const able = registered
      .filter((device) => (named === undefined ? device.kind === kind : named.includes(device.id)))
      .map((device) => ({ device, metres: metresTo(position, device) }))
    const here = able.filter(({ device }) => device.site === place.site)
    const near = able.filter(({ metres }) => metres !== null && metres <= within)
    const chosen = named !== undefined ? able : here.length > 0 ? here : near
    return chosen
      .sort((a, b) => (a.metres ?? Infinity) - (b.metres ?? Infinity) || (a.device.id < b.device.id ? -1 : 1))
      .slice(0, MOST)
      .map(({ device, metres }) => ({
        device: device.id,
        metres: metres === null ? null : Math.round(metres),
      }))
  }
  return { cameras: find('cameras'), loudspeakers: find('loudspeakers'), drones: find('drones') }
}

function metresTo(position: Position | null, { position: other }: Device): number | null {
  return position === null || other === undefined
    ? null
    : distanceMetres(position, other as unknown as Position)
}
