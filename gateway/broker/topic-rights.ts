import type { Principal } from '../model/user.ts'

/**
 * Who may say and hear what (contract §2). Pure: the broker asks at every publish, subscription and delivery.
 *
 * A right to read is itself a topic filter. A subscription is granted when a right covers it: every topic that
 * the subscription can match, the right matches too.
 */

/** Where a publish leads; `unknown` is below the device's own prefix but nothing we know, `forbidden` is not its own. */
export type Destination =
  | { readonly to: 'readings' | 'status' | 'actions' | 'unknown' | 'forbidden' }
  | { readonly to: 'result'; readonly command: string }

const result = /^commands\/([A-Za-z0-9][A-Za-z0-9_.-]{0,63})\/result$/

export function destination(principal: Principal, topic: string): Destination {
  if (principal.type === 'user') {
    const { role, team } = principal.user
    const mayChange = principal.grant?.readOnly !== true
    const own = mayChange && role === 'team' && team !== null && topic === `dispatch/${team}/actions`
    return { to: own ? 'actions' : 'forbidden' }
  }
  const prefix = `v1/${principal.device}/`
  if (!topic.startsWith(prefix)) return { to: 'forbidden' }
  const rest = topic.slice(prefix.length)
  if (rest === 'readings' || rest === 'status') return { to: rest }
  const command = result.exec(rest)?.[1]
  if (command !== undefined) return { to: 'result', command }
  // [MQTT-1.5.3-2]: whoever sends U+0000 is cut off.
  return { to: rest.includes('\0') ? 'forbidden' : 'unknown' }
}

/** A filter or a topic, split at its slashes once, because it is compared often. */
export type Levels = readonly string[]

export function readRights(principal: Principal, streetsOf: (team: string) => readonly string[]): Levels[] {
  return readableFilters(principal, streetsOf).map((filter) => filter.split('/'))
}

function readableFilters(principal: Principal, streetsOf: (team: string) => readonly string[]): string[] {
  if (principal.type === 'device') {
    return [`v1/${principal.device}/commands/#`, `v1/${principal.device}/errors/#`]
  }
  const { role, team, street } = principal.user
  switch (role) {
    case 'team':
      if (team === null) return []
      return [`dispatch/${team}/#`, ...streetsOf(team).map((id) => `alarms/${id}/#`)]
    case 'street':
      return street === null ? [] : [`alarms/${street}/#`]
    case 'district':
      return ['alarms/#', 'dispatch/#']
    case 'viewer':
      return ['alarms/#']
    case 'admin':
      return ['alarms/#', 'dispatch/#', 'v1/+/status']
    default:
      return role satisfies never
  }
}

/** Wildcards alone on their level, `#` last [MQTT-4.7.1-2, -3]; no `$SYS`, no `$share`, no U+0000. */
export function isPlainFilter(filter: string): boolean {
  if (filter === '' || filter.startsWith('$') || filter.includes('\0')) return false
  const levels = filter.split('/')
  return levels.every(
    (level, at) =>
      level === '+' ||
      (level === '#' && at === levels.length - 1) ||
      !(level.includes('+') || level.includes('#')),
  )
}

/** Does the right match every topic that the filter matches? A topic is a filter without wildcards. */
export function covers(right: Levels, filter: Levels): boolean {
  for (let at = 0; at < right.length; at++) {
    // `a/#` also matches `a` itself [MQTT-4.7.1-2].
    if (right[at] === '#') return true
    if (at >= filter.length || filter[at] === '#') return false
    if (right[at] !== '+' && right[at] !== filter[at]) return false
  }
  return right.length === filter.length
}

export function maySubscribe(rights: readonly Levels[], filter: string): boolean {
  if (!isPlainFilter(filter)) return false
  const levels = filter.split('/')
  return rights.some((right) => covers(right, levels))
}

export function mayRead(rights: readonly Levels[], topic: string): boolean {
  const levels = topic.split('/')
  return rights.some((right) => covers(right, levels))
}
