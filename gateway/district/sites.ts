import type { Attributes } from '../model/device.ts'
import type { District } from '../model/district.ts'
import type { KitchenSize, Site } from '../model/site.ts'

/** GB 18483-2001, table 1: 1 to less than 3 base stoves are small, 3 to less than 6 medium, from 6 on large. */
export function kitchenSize(stoves: number): KitchenSize {
  if (stoves < 3) return 'small'
  return stoves < 6 ? 'medium' : 'large'
}

/** GB 18483-2001, table 2: lowest efficiency of removal by a purifier, %. */
export const LEAST_EFFICIENCY: Readonly<Record<KitchenSize, number>> = { small: 60, medium: 75, large: 85 }

/** What rules may ask of every device of the site, unless the device says otherwise (rules/packs/README.md). */
export function siteAttributes({ kitchen, section, gauge, attributes }: Site): Attributes {
  return {
    ...(kitchen !== undefined && { stoves: kitchen.stoves }),
    ...(section !== undefined && { target: section.target }),
    ...(gauge !== undefined && { warning_level: gauge.warning, guarantee_level: gauge.guarantee }),
    ...attributes,
  }
}

/** Sites next to each other along the water: each with the sites right below it. */
export function flows({ sites = [] }: Pick<District, 'sites'>): ReadonlyMap<string, ReadonlySet<string>> {
  const below = new Map<string, Set<string>>()
  const add = (from: string, to: string): void => {
    below.set(from, (below.get(from) ?? new Set()).add(to))
  }
  for (const { id, section } of sites) {
    for (const upstream of section?.upstream ?? []) add(upstream, id)
    for (const downstream of section?.downstream ?? []) add(id, downstream)
  }
  return below
}
