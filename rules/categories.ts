import type { District } from '../gateway/model/district.ts'

/** What the built-in packs send crews for. */
export const BUILT_IN_CATEGORIES = [
  'air',
  'cooking-fume',
  'crowd',
  'device',
  'drone',
  'fire',
  'flood',
  'gas',
  'hazmat',
  'river-quality',
  'riverbank',
] as const

/**
 * What a rule's `dispatch.category` may be: those of the district's file, and those of the packs. Undefined where the
 * district names none: then any word will do.
 */
export function categoriesOf({ categories }: District): ReadonlySet<string> | undefined {
  return categories === undefined ? undefined : new Set([...BUILT_IN_CATEGORIES, ...Object.keys(categories)])
}
