import type { Attributes } from './local.ts'
import type { Plan } from './plan.ts'

/**
 * Rules that look at other devices (`of`) are judged in a second state of their device, by a plan of their own
 * (`planLinkedRules`): so a link never changes how the device's own rules judge. That state takes the readings of
 * all of them, in order of their time; each device is late by its own newest reading, as everywhere, and those that
 * are behind are waited for until what they say would be stale.
 */
export interface Looker {
  readonly device: string
  /** Whose readings they are to it: index into its plan's sources. */
  readonly source: number
}

/** Attributes that name a device, and how conditions call it. */
export const ROLES = ['upstream', 'linked'] as const

/** The device behind each of the plan's sources, as the attributes say; undefined where they say nothing. */
export function devicesBehind(
  { sources }: Plan,
  device: string,
  attributes: Attributes,
): readonly (string | undefined)[] {
  return sources.map((source) => {
    if (source === '') return device
    const role = ROLES.find((role) => role === source)
    if (role === undefined) return source
    const named = attributes[role]
    return typeof named === 'string' ? named : undefined
  })
}

/** Attributes on which a device's states depend under this plan. */
export function attributesThatCount({ parameters, places, sources }: Plan): ReadonlySet<string> {
  const named = [...parameters, ...places].map(({ attribute }) => attribute)
  return new Set([...named, ...ROLES.filter((role) => sources.includes(role))])
}

/** Who looks at whose readings, beside their own. */
export class Links {
  readonly #lookers = new Map<string, Looker[]>()
  readonly #seen = new Map<string, readonly string[]>()

  /** The device looks at these: by source, its own first. */
  set(device: string, behind: readonly (string | undefined)[]): void {
    this.delete(device)
    const seen: string[] = []
    for (const [source, other] of behind.entries()) {
      if (source === 0 || other === undefined) continue
      const lookers = this.#lookers.get(other) ?? []
      this.#lookers.set(other, lookers)
      lookers.push({ device, source })
      seen.push(other)
    }
    if (seen.length > 0) this.#seen.set(device, seen)
  }

  delete(device: string): void {
    for (const other of new Set(this.#seen.get(device))) {
      const left = this.#lookers.get(other)!.filter((looker) => looker.device !== device)
      if (left.length > 0) this.#lookers.set(other, left)
      else this.#lookers.delete(other)
    }
    this.#seen.delete(device)
  }

  at(device: string): readonly Looker[] {
    return this.#lookers.get(device) ?? nobody
  }
}

const nobody: readonly Looker[] = []
