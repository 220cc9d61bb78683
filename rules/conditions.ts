import { SEVERITIES } from '../gateway/model/alarm.ts'
import type { Condition, Leaf, Rule } from '../gateway/model/rule.ts'

/** A rule's conditions, with the paths at which they stand in it. */
export function conditionsOf(rule: Rule): readonly (readonly [path: string, condition: Condition])[] {
  const levels = SEVERITIES.flatMap((level) => {
    const condition = rule.severity[level]
    return condition === undefined ? [] : [[`severity.${level}`, condition] as const]
  })
  return rule.clear?.when === undefined ? levels : [...levels, ['clear.when', rule.clear.when]]
}

/** The leaves of a condition, with their paths. */
export function leavesOf(condition: Condition, path = ''): readonly (readonly [path: string, leaf: Leaf])[] {
  if ('not' in condition) return leavesOf(condition.not, `${path}.not`)
  for (const key of ['all', 'any'] as const) {
    const parts = (condition as Partial<Record<typeof key, Condition[]>>)[key]
    if (parts !== undefined) return parts.flatMap((part, index) => leavesOf(part, `${path}.${key}.${index}`))
  }
  return [[path, condition as Leaf]]
}

/** Whether any of its conditions is about another device. */
export function looksAtOthers(rule: Rule): boolean {
  return conditionsOf(rule).some(([, condition]) =>
    leavesOf(condition).some(([, leaf]) => 'of' in leaf && leaf.of !== undefined),
  )
}
