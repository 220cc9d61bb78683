import { destination, maySubscribe, readRights } from '../broker/topic-rights.ts'
import { ROLES, type Principal } from '../model/user.ts'
import type { Access } from './access.ts'
import type { Route } from './route-table.ts'

/** Team, street and device of the principals of the topic table; what is another's has another name. */
export const OWN_TEAM = 'team-1'
export const OWN_STREET = 'street-1'
export const OWN_DEVICE = 'device-1'

/** One of each kind, as the table's columns. */
export const PRINCIPALS: Readonly<Record<string, Principal>> = {
  ...Object.fromEntries(
    ROLES.map((role) => [
      role,
      {
        type: 'user',
        user: {
          name: `a-${role}`,
          role,
          street: role === 'street' ? OWN_STREET : null,
          team: role === 'team' ? OWN_TEAM : null,
        },
      } as const,
    ]),
  ),
  device: { type: 'device', device: OWN_DEVICE },
}

/** Contract §2 and what it is silent on: own ones and those of others. */
export const TOPICS = [
  'v1/device-1/readings',
  'v1/device-1/status',
  'v1/device-1/commands',
  'v1/device-1/commands/c-1/result',
  'v1/device-1/errors',
  'v1/device-2/readings',
  'v1/device-2/status',
  'v1/device-2/commands',
  'v1/device-2/errors',
  'v1/+/status',
  'v1/#',
  'alarms/street-1/device-1',
  'alarms/street-1/#',
  'alarms/street-2/#',
  'alarms/#',
  'dispatch/team-1/orders/case-1',
  'dispatch/team-1/results',
  'dispatch/team-1/actions',
  'dispatch/team-1/#',
  'dispatch/team-2/actions',
  'dispatch/team-2/#',
  'dispatch/#',
  '#',
  '$SYS/#',
  '$share/group/alarms/#',
] as const

export function topicCell(principal: Principal, topic: string): { read: boolean; publish: boolean } {
  const rights = readRights(principal, (team) => (team === OWN_TEAM ? [OWN_STREET] : []))
  const { to } = destination(principal, topic)
  return { read: maySubscribe(rights, topic), publish: to !== 'forbidden' && to !== 'unknown' }
}

/** `docs/access.md`: who may use which route and topic, as the code has it. */
export function accessPage(routes: readonly Route[]): string {
  const rows = routes
    .filter(({ method, url }) => method !== 'HEAD' && !url.startsWith('/api/docs') && !isFile(url))
    .map(({ method, url, access = {} }) => [`\`${method} ${url}\``, ...routeCells(access)])
    .sort(([a = ''], [b = '']) => (pathOf(a) < pathOf(b) || (pathOf(a) === pathOf(b) && a < b) ? -1 : 1))
  const topics = TOPICS.map((topic) => [
    `\`${topic}\``,
    ...Object.values(PRINCIPALS).map((principal) => {
      const { read, publish } = topicCell(principal, topic)
      return [read && 'hears', publish && 'says'].filter(Boolean).join(', ')
    }),
  ])
  return `# Who may do what

Generated from the code: \`npx vitest run gateway/http/access -u\`. A test fails while this page is not what the code
does, and others try every cell.

## Routes

A cell with ✓ lets the role in, an empty one answers 403, and nobody at all 401. \`street\` and \`team\` get in to their
own street and their own cases, devices and alarms; whatever is outside looks as if it did not exist (404). A token that
may only read is let in to \`GET\` and to what is marked so.

${table(['route', ...ROLES, 'device', 'without sign-in', 'read-only tokens'], rows)}
## MQTT topics

A team \`${OWN_TEAM}\` that serves \`${OWN_STREET}\`, a user of \`${OWN_STREET}\`, a device \`${OWN_DEVICE}\`; the others have other names. Whatever
is not here nobody hears and nobody says. A token that may only read says nothing.

${table(['topic', ...Object.keys(PRINCIPALS)], topics)}`
}

function routeCells(access: Access): string[] {
  if (access.public === true) return [...ROLES.map(() => '✓'), '✓', '✓', '✓']
  const isRead = access.harmless === true
  return [
    ...ROLES.map((role) => (access.roles?.includes(role) === true ? '✓' : '')),
    access.devices === true ? '✓' : '',
    access.loopback === true ? 'from this machine' : '',
    isRead ? '✓' : '',
  ]
}

/** Of the console: anybody gets them, and what they show asks for a sign-in. */
const isFile = (url: string) => !url.startsWith('/api/') && /\.\w+$/.test(url)

const pathOf = (cell: string) => cell.slice(cell.indexOf(' '))

function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]) =>
    `| ${cells.map((cell) => cell.replaceAll('|', '\\|')).join(' | ')} |`
  return `${[line(head), line(head.map(() => '---')), ...rows.map(line)].join('\n')}\n`
}
