import { SEVERITIES } from '../gateway/model/alarm.ts'
import type { Condition, Leaf, Rule } from '../gateway/model/rule.ts'
import { attributeOf } from './limit.ts'
import { ROLES } from './links.ts'
import type { Attributes } from './local.ts'

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

/**
 * Whether any severity of the rule can ever hold for a device of these attributes: what names an attribute that the
 * device does not have is false, and so is its negation. Nearly all devices lack some that rules name, and a rule
 * that cannot hold for them need not be run.
 */
export function mayHoldFor(rule: Rule, attributes: Attributes): boolean {
  return SEVERITIES.some((level) => {
    const condition = rule.severity[level]
    return condition !== undefined && mayHold(condition, false, attributes)
  })
}

function mayHold(condition: Condition, negated: boolean, attributes: Attributes): boolean {
  if ('not' in condition) return mayHold(condition.not, !negated, attributes)
  if ('all' in condition || 'any' in condition) {
    const [parts, isAll] = 'all' in condition ? [condition.all, true] : [condition.any, false]
    const may = (part: Condition) => mayHold(part, negated, attributes)
    return isAll === negated ? parts.some(may) : parts.every(may)
  }
  return attributesIn(condition).every((attribute) => attributes[attribute] !== undefined)
}

/** Attributes without which nothing is known of the leaf. */
function attributesIn(leaf: Leaf): readonly string[] {
  const named = Object.values(leaf)
    .flat()
    .flatMap((value) => (typeof value === 'string' ? (attributeOf(value) ?? []) : []))
  if ('worseThan' in leaf && leaf.worseThan === 'target') named.push('target')
  // Of a metric without plausible values it is known beforehand that it is not implausible, whoever measures it.
  const role = 'of' in leaf && !('implausible' in leaf) ? ROLES.find((role) => role === leaf.of) : undefined
  return role === undefined ? named : [...named, role]
}
