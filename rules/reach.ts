import type { Condition, Leaf, Threshold } from '../gateway/model/rule.ts'
import { demandsOf, type Demand } from './demand.ts'
import type { Interval } from './interval.ts'
import { Numbers } from './numbers.ts'
import { meetWeeks, WHOLE_WEEK, type Week } from './week.ts'

/**
 * Whether conditions can hold at the same moment, whatever is measured.
 *
 * A condition that is to hold is a choice of demands, one for each of its leaves: that numbers are before or behind
 * others, and that it is some hour of the week (`demand.ts`). Numbers, limits and attributes are points on a line, of
 * which some are before others whatever is measured (`numbers.ts`): the least value of a window is never above its
 * mean, nor the latest value above the greatest of any window. A choice is possible unless its demands lead round in a circle, or
 * leave no hour of the week. Of what else numbers have to do with each other nothing is assumed: so what is found
 * impossible truly is.
 */

/** A condition that is to hold, or the opposite of it. */
export interface Goal {
  readonly condition: Condition
  readonly negated: boolean
}

/** How many steps may still be taken; what is left over when it has run out is taken to be possible. */
export interface Patience {
  steps: number
}

/** Range of a metric by its name, as seen by the kind that a rule is about. */
export type Ranges = (leaf: Threshold) => Interval

/** Points of the line that are passed at the cost of one step. */
const POINTS_PER_STEP = 32

export function canHold(goals: readonly Goal[], ranges: Ranges, patience: Patience): boolean {
  const numbers = new Numbers()
  const demands = new Map<Leaf, { yes?: readonly Demand[]; no?: readonly Demand[] }>()
  const demanded = (leaf: Leaf, negated: boolean): readonly Demand[] => {
    const known = demands.get(leaf) ?? {}
    demands.set(leaf, known)
    return (known[negated ? 'no' : 'yes'] ??= demandsOf(leaf, negated, ranges, numbers))
  }
  for (const { condition, negated } of goals) eachLeaf(condition, negated, demanded)
  const line = numbers.line()
  const search = ([goal, ...rest]: readonly Goal[], week: Week): boolean => {
    if (goal === undefined || --patience.steps < 0) return true
    const { condition, negated } = goal
    if ('not' in condition) return search([{ condition: condition.not, negated: !negated }, ...rest], week)
    const parts = partsOf(condition)
    if (parts !== null) {
      const goals = parts.of.map((part): Goal => ({ condition: part, negated }))
      return parts.isAll !== negated
        ? search([...goals, ...rest], week)
        : goals.some((one) => search([one, ...rest], week))
    }
    return demanded(condition as Leaf, negated).some((demand) => {
      const hours = demand.week === undefined ? week : meetWeeks(week, demand.week)
      if (hours.length === 0) return false
      const said = line.length
      const before = line.work
      const isPossible = demand.before.every(([low, high, isStrict]) => line.say(low, high, isStrict))
      patience.steps -= (line.work - before) / POINTS_PER_STEP
      if (isPossible && search(rest, hours)) return true
      line.forget(said)
      return false
    })
  }
  return search(goals, WHOLE_WEEK)
}

function eachLeaf(
  condition: Condition,
  negated: boolean,
  visit: (leaf: Leaf, negated: boolean) => void,
): void {
  if ('not' in condition) return eachLeaf(condition.not, !negated, visit)
  const parts = partsOf(condition)
  if (parts === null) return visit(condition as Leaf, negated)
  for (const part of parts.of) eachLeaf(part, negated, visit)
}

function partsOf(
  condition: Condition,
): { readonly of: readonly Condition[]; readonly isAll: boolean } | null {
  if ('all' in condition) return { of: condition.all, isAll: true }
  if ('any' in condition) return { of: condition.any, isAll: false }
  return null
}
