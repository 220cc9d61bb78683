import type { Alarm } from '../model/alarm.ts'
import type { Finding } from '../dispatch/opening.ts'

/** The same matter, seen otherwise. */
export interface ChangedAlarm {
  readonly before: Finding
  readonly after: Finding
}

export interface RuleDifference {
  readonly rule: string
  /** All of its alarms in either list. */
  readonly before: number
  readonly after: number
  readonly onlyBefore: number
  readonly onlyAfter: number
  readonly different: number
}

/** Two lists of alarms, such as what happened and what a back-test says. */
export interface Difference {
  /** Alarms that are in both as they are. */
  readonly same: number
  readonly onlyBefore: readonly Finding[]
  readonly onlyAfter: readonly Finding[]
  readonly different: readonly ChangedAlarm[]
  readonly rules: readonly RuleDifference[]
}

/**
 * What of `before` is otherwise in `after`; both by start. An alarm without its like is held against one of the
 * same rule and device at the same time. Withdrawn ones do not count: they should not have fired.
 */
export function differenceOf(before: readonly Alarm[], after: readonly Finding[]): Difference {
  const old = new Map<string, Finding>()
  for (const { case: _case, ...alarm } of before) if (alarm.state !== 'withdrawn') old.set(alarm.id, alarm)
  const young = new Map(after.map((alarm) => [alarm.id, alarm]))
  const total = { before: [...old.values()], after: [...young.values()] }
  const different: ChangedAlarm[] = []
  let same = 0
  for (const alarm of total.after) {
    const was = old.get(alarm.id)
    if (was === undefined) continue
    old.delete(alarm.id)
    young.delete(alarm.id)
    if (isAlike(was, alarm)) same++
    else different.push({ before: was, after: alarm })
  }
  different.push(...pairs(old, young))
  const rest = { onlyBefore: [...old.values()], onlyAfter: [...young.values()], different }
  return { same, ...rest, rules: byRule(total, rest) }
}

/** Numbers move with every reading while an alarm fires: they are no difference. */
function isAlike(a: Finding, b: Finding): boolean {
  return (
    a.severity === b.severity && a.state === b.state && a.clearedAt === b.clearedAt && a.stale === b.stale
  )
}

/** Takes out of both what began at different times and overlaps. */
function pairs(old: Map<string, Finding>, young: Map<string, Finding>): ChangedAlarm[] {
  const found: ChangedAlarm[] = []
  const left = Map.groupBy(old.values(), matterOf)
  for (const after of young.values()) {
    const candidates = left.get(matterOf(after)) ?? []
    const at = candidates.findIndex((before) => overlaps(before, after))
    const before = candidates[at]
    if (before === undefined) continue
    candidates.splice(at, 1)
    old.delete(before.id)
    young.delete(after.id)
    found.push({ before, after })
  }
  return found
}

function matterOf({ rule, device }: Finding): string {
  return `${device} ${rule}`
}

function overlaps(a: Finding, b: Finding): boolean {
  return a.startedAt <= (b.clearedAt ?? Infinity) && b.startedAt <= (a.clearedAt ?? Infinity)
}

function byRule(
  total: { readonly before: readonly Finding[]; readonly after: readonly Finding[] },
  rest: Pick<Difference, 'onlyBefore' | 'onlyAfter' | 'different'>,
): RuleDifference[] {
  const lists = {
    ...total,
    onlyBefore: rest.onlyBefore,
    onlyAfter: rest.onlyAfter,
    different: rest.different.map(({ after }) => after),
  }
  const rules = new Set([...total.before, ...total.after].map(({ rule }) => rule))
  return [...rules].sort().map((id) => {
    const count = (alarms: readonly Finding[]) => alarms.filter(({ rule }) => rule === id).length
    return {
      rule: id,
      before: count(lists.before),
      after: count(lists.after),
      onlyBefore: count(lists.onlyBefore),
      onlyAfter: count(lists.onlyAfter),
      different: count(lists.different),
    }
  })
}
