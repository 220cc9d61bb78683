import { Type, type Static } from 'typebox'
import type { Effect } from './devices/model.ts'
import { DURATION_PATTERN, milliseconds } from './duration.ts'

/** From one section of a canal to the next: how long the water takes, and what share of a load arrives. */
export const ReachSchema = Type.Object(
  {
    from: Type.String(),
    to: Type.String(),
    takes: Type.String({ pattern: DURATION_PATTERN }),
    keeps: Type.Number({ minimum: 0, maximum: 1 }),
  },
  { additionalProperties: false },
)
export type Reach = Static<typeof ReachSchema>

/** A plume is that much of its time under way longer when it arrives than when it left. */
const SPREADING = 0.3

/** A plume as it arrives at the far end of a reach: later, longer and thinner; what it carries is kept by `keeps`. */
export function carried(plume: Effect, { takes, keeps }: Reach): Effect {
  const delay = milliseconds(takes)
  const spread = SPREADING * delay
  const from = plume.from + delay
  const thinned = {
    ...plume,
    from,
    to: from + plume.to - plume.from + spread,
    ramp: (plume.ramp ?? 0) + spread,
  }
  return { ...thinned, strength: (plume.strength * keeps * lengthOf(plume)) / lengthOf(thinned) }
}

/** How long it would last at full strength, ms: the area under its coming and going. */
export function lengthOf({ from, to, ramp = 0 }: Effect): number {
  const length = to - from
  return length >= 2 * ramp ? length - ramp : length ** 2 / (4 * ramp)
}

export interface Plume {
  readonly section: string
  readonly effect: Effect
}

/** A plume that began at a section, and what becomes of it at every section further down. */
export function downstream(plume: Plume, reaches: readonly Reach[]): Plume[] {
  const next = reaches.filter(({ from }) => from === plume.section)
  return [
    plume,
    ...next.flatMap((reach) =>
      downstream({ section: reach.to, effect: carried(plume.effect, reach) }, reaches),
    ),
  ]
}

/** A section that lies below itself; undefined when water runs downhill everywhere. */
export function circle(reaches: readonly Reach[]): string | undefined {
  const below = (section: string, seen: readonly string[]): string | undefined => {
    if (seen.includes(section)) return section
    for (const { from, to } of reaches) {
      const found = from === section ? below(to, [...seen, section]) : undefined
      if (found !== undefined) return found
    }
    return undefined
  }
  for (const { from } of reaches) {
    const found = below(from, [])
    if (found !== undefined) return found
  }
  return undefined
}
