import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import type { Principal, Role } from '../model/user.ts'
import { destination, mayRead, maySubscribe, readRights } from './topic-rights.ts'

const device = (id: string): Principal => ({ type: 'device', device: id })
const user = (role: Role, street: string | null = null, team: string | null = null): Principal => ({
  type: 'user',
  user: { name: `a-${role}`, role, street, team },
})

const principals = {
  fume: device('fume-1'),
  team: user('team', null, 't1'),
  street: user('street', 'xuetian'),
  district: user('district'),
  viewer: user('viewer'),
  admin: user('admin'),
  lost: user('team'),
  nowhere: user('street'),
} as const
type Name = keyof typeof principals
const names = Object.keys(principals) as Name[]
const rightsOf = (principal: Principal) =>
  readRights(principal, (team) => (team === 't1' ? ['xuetian', 'wenfeng'] : []))

/** Filter, and who may subscribe to it; everybody else may not. */
const subscriptions: [filter: string, ...allowed: Name[]][] = [
  ['v1/fume-1/commands', 'fume'],
  ['v1/fume-1/commands/#', 'fume'],
  ['v1/fume-1/commands/+/result', 'fume'],
  ['v1/fume-1/errors', 'fume'],
  ['v1/fume-1/errors/#', 'fume'],
  ['v1/fume-1/#'],
  ['v1/fume-1/+'],
  ['v1/fume-1/readings'],
  ['v1/fume-1/status', 'admin'],
  ['v1/+/status', 'admin'],
  ['v1/+/commands'],
  ['v1/fume-1x/commands'],
  ['v1/fume-10/commands'],
  ['v1/fume-2/commands'],
  ['v1/#'],
  ['+/fume-1/commands'],
  ['V1/fume-1/commands'],
  ['/v1/fume-1/commands'],
  ['v1//fume-1/commands'],
  ['v1/fume-1/commands#'],
  ['v1/fume-1/commands/#/x'],
  ['v1/fume-1/commands+'],
  ['v1/fume-1/commands/a+'],
  ['v1/fume-1/commands/\0'],
  ['#'],
  ['+'],
  ['+/#'],
  [''],
  ['/'],
  ['$SYS/#'],
  ['$SYS/+/heartbeat'],
  ['$share/g/v1/fume-1/commands'],
  ['$share/g/alarms/#'],
  ['$queue/alarms/#'],
  ['dispatch/t1/#', 'team', 'district', 'admin'],
  ['dispatch/t1/orders/+', 'team', 'district', 'admin'],
  ['dispatch/t1/orders/c-1', 'team', 'district', 'admin'],
  ['dispatch/t1', 'team', 'district', 'admin'],
  ['dispatch/t2/#', 'district', 'admin'],
  ['dispatch/+/orders/+', 'district', 'admin'],
  ['dispatch/#', 'district', 'admin'],
  ['dispatch/null/#', 'district', 'admin'],
  ['alarms/xuetian/#', 'team', 'street', 'district', 'viewer', 'admin'],
  ['alarms/xuetian/fume-1', 'team', 'street', 'district', 'viewer', 'admin'],
  ['alarms/xuetian/+', 'team', 'street', 'district', 'viewer', 'admin'],
  ['alarms/wenfeng/#', 'team', 'district', 'viewer', 'admin'],
  ['alarms/hongqiao/#', 'district', 'viewer', 'admin'],
  ['alarms/+/fume-1', 'district', 'viewer', 'admin'],
  ['alarms/null/#', 'district', 'viewer', 'admin'],
  ['alarms/#', 'district', 'viewer', 'admin'],
]

describe('subscribe', () => {
  const cases = subscriptions.flatMap(([filter, ...allowed]) =>
    names.map((name) => [name, filter, allowed.includes(name)] as const),
  )
  test.each(cases)('%s on %j: %s', (name, filter, allowed) => {
    expect(maySubscribe(rightsOf(principals[name]), filter)).toBe(allowed)
  })
})

/** Topic, and where a publish leads for those who may; it is forbidden for everybody else. */
const publishes: [topic: string, allowed: Partial<Record<Name, string>>][] = [
  ['v1/fume-1/readings', { fume: 'readings' }],
  ['v1/fume-1/status', { fume: 'status' }],
  ['v1/fume-1/commands/c-1/result', { fume: 'result' }],
  ['v1/fume-1/commands/c-1/results', { fume: 'unknown' }],
  ['v1/fume-1/commands/a/b/result', { fume: 'unknown' }],
  ['v1/fume-1/commands//result', { fume: 'unknown' }],
  ['v1/fume-1/commands/../result', { fume: 'unknown' }],
  ['v1/fume-1/commands', { fume: 'unknown' }],
  ['v1/fume-1/errors', { fume: 'unknown' }],
  ['v1/fume-1/readings/', { fume: 'unknown' }],
  ['v1/fume-1/readings/x', { fume: 'unknown' }],
  ['v1/fume-1/', { fume: 'unknown' }],
  ['v1/fume-1/readings\0', {}],
  ['v1/fume-1', {}],
  ['v1/fume-10/readings', {}],
  ['v1/fume-2/readings', {}],
  ['v1/+/readings', {}],
  ['v1/fume-1\0/readings', {}],
  ['/v1/fume-1/readings', {}],
  ['readings', {}],
  ['$SYS/x/heartbeat', {}],
  ['alarms/xuetian/fume-1', {}],
  ['dispatch/t1/actions', { team: 'actions' }],
  ['dispatch/t2/actions', {}],
  ['dispatch/null/actions', {}],
  ['dispatch/t1/actions/x', {}],
  ['dispatch/t1/orders/c-1', {}],
  ['#', {}],
  ['', {}],
]

describe('publish', () => {
  const cases = publishes.flatMap(([topic, allowed]) =>
    names.map((name) => [name, topic, allowed[name] ?? 'forbidden'] as const),
  )
  test.each(cases)('%s on %j: %s', (name, topic, expected) => {
    expect(destination(principals[name], topic).to).toBe(expected)
  })
})

/** Written from the specification (MQTT 3.1.1 §4.7), and not as the code under test is. */
function matches(filter: string, topic: string): boolean {
  if (topic.startsWith('$') && /^[+#]/.test(filter)) return false
  const pattern = filter
    .split('/')
    .map((level) => (level === '+' ? '[^/]*' : level.replace(/[.*+?^${}()|[\]\\]/g, '\\$&')))
    .join('/')
    .replace(/\/#$/, '(/.*)?')
    .replace(/^#$/, '.*')
  return new RegExp(`^${pattern}$`, 's').test(topic)
}

const word = fc.constantFrom(
  'v1',
  'fume-1',
  'fume-2',
  'commands',
  'errors',
  'readings',
  'dispatch',
  't1',
  't2',
  'alarms',
  'xuetian',
  'orders',
  '',
)
const topics = fc.array(word, { minLength: 1, maxLength: 6 }).map((levels) => levels.join('/'))
const filters = fc
  .array(fc.oneof({ weight: 4, arbitrary: word }, fc.constantFrom('+', '#', '+x', 'a#', '$SYS', '$share')), {
    minLength: 1,
    maxLength: 6,
  })
  .map((levels) => levels.join('/'))
const nearby = fc
  .tuple(fc.constantFrom('v1/fume-1/', 'dispatch/t1/', 'alarms/xuetian/', ''), filters)
  .map((parts) => parts.join(''))

describe('nobody hears a topic outside their own', () => {
  test('no filter that a device is granted matches a topic outside its own commands and errors', () => {
    const rights = rightsOf(principals.fume)
    const own = /^v1\/fume-1\/(commands|errors)(\/|$)/
    fc.assert(
      fc.property(nearby, topics, (filter, topic) => {
        if (maySubscribe(rights, filter) && matches(filter, topic)) expect(topic).toMatch(own)
      }),
      { numRuns: 5000 },
    )
  })

  test.each(names)('what %s is granted, every delivery of it is allowed too', (name) => {
    const rights = rightsOf(principals[name])
    fc.assert(
      fc.property(nearby, topics, (filter, topic) => {
        if (maySubscribe(rights, filter) && matches(filter, topic)) expect(mayRead(rights, topic)).toBe(true)
      }),
      { numRuns: 1000 },
    )
  })
})
