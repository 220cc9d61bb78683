import { looksAtOthers, mayHoldFor } from '../../rules/conditions.ts'
import type { Attributes } from '../../rules/local.ts'
import { isAbout, planKind, type Plan, type World } from '../../rules/plan.ts'
import type { Rule } from '../model/rule.ts'

/**
 * Plans of the rules that can hold for a device at all: many name attributes that most devices do not have. What is
 * left out would have said nothing, so the answer is the same, and history is judged by fewer rules and windows.
 * Live, a device may be given an attribute at any time; its history is judged by those that it has.
 */
export class NeededPlans {
  readonly #rules: readonly Rule[]
  readonly #world: World
  /** By kind and the rules that are needed; devices of a kind mostly need the same. */
  readonly #plans = new Map<string, Plan>()

  /** Rules that all look at other devices, or none of which does. */
  constructor(rules: readonly Rule[], world: World) {
    this.#rules = rules
    this.#world = world
  }

  /** undefined when no rule can hold for such a device. */
  of(kind: string, attributes: Attributes = {}): Plan | undefined {
    const its = this.#rules.filter((rule) => isAbout(rule, kind))
    const may = its.filter((rule) => mayHoldFor(rule, attributes))
    if (may.length === 0) return undefined
    // Rules that look at others share what is late: all devices that any of them looks at are waited for.
    const needed = may.some(looksAtOthers) ? its : may
    const key = JSON.stringify([kind, ...needed.map(({ id }) => id)])
    const plan = this.#plans.get(key) ?? planKind(kind, needed, this.#world)
    this.#plans.set(key, plan)
    return plan
  }
}
