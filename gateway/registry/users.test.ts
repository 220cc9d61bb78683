import { afterEach, beforeEach, expect, test } from 'vitest'
import type { Role } from '../model/user.ts'
import { RegistryFolder, type Registry } from './registry.fixture.ts'
import type { NewUser } from './users.ts'

let folder: RegistryFolder
let registry: Registry
beforeEach(() => {
  folder = new RegistryFolder()
  registry = folder.open()
})
afterEach(() => folder.remove())

const users: NewUser[] = [
  { name: 'zhou', role: 'admin' },
  { name: 'chen', role: 'district' },
  { name: 'lin', role: 'street', street: 'wenfeng' },
  { name: 'crew-7', role: 'team', team: 'wenfeng-crew' },
  { name: 'guest', role: 'viewer' },
]

test('a user of every role is there again after a restart and signs in', async () => {
  for (const user of users) {
    const { secret } = await registry.users.create(user)
    registry = folder.open()
    const expected = { street: null, team: null, ...user }
    expect(registry.users.get(user.name)).toEqual(expected)
    expect(await registry.signIn.bearer(secret, '::1')).toEqual({ type: 'user', user: expected })
  }
  const first = registry.users.list({ limit: 3 })
  expect(first.items.map(({ name }) => name)).toEqual(['chen', 'crew-7', 'guest'])
  expect(registry.users.list({ limit: 3, cursor: first.cursor }).items.map(({ name }) => name)).toEqual([
    'lin',
    'zhou',
  ])
})

test.each<[string, NewUser, RegExp]>([
  ['a bad name', { name: 'li n', role: 'viewer' }, /name: "li n"/],
  ['a reserved name', { name: 'devices', role: 'viewer' }, /name: "devices"/],
  ['an unknown role', { name: 'lin', role: 'king' as Role }, /role: "king"; expected one of admin/],
  ['a street user without a street', { name: 'lin', role: 'street' }, /street: missing/],
  ['a team user without a team', { name: 'lin', role: 'team' }, /team: missing/],
  [
    'a viewer with a street',
    { name: 'lin', role: 'viewer', street: 'wenfeng' },
    /street: role viewer has none/,
  ],
  [
    'a street user with a team',
    { name: 'lin', role: 'street', street: 'wenfeng', team: 'x' },
    /team: role street/,
  ],
  ['a team that widens a topic', { name: 'lin', role: 'team', team: '#' }, /team: "#" is not an id/],
])('%s is refused', async (_, user, message) => {
  await expect(registry.users.create(user)).rejects.toThrow(message)
  expect(registry.users.list({ limit: 10 }).items).toEqual([])
})

test('a name is given once, and again after its user was removed', async () => {
  const { secret } = await registry.users.create(users[0]!)
  await expect(registry.users.create(users[0]!)).rejects.toMatchObject({ code: 'exists' })
  registry.users.remove('zhou')
  expect(await registry.signIn.bearer(secret, '::1')).toBeNull()
  expect(() => registry.users.remove('zhou')).toThrow(expect.objectContaining({ code: 'not_found' }))
  await registry.users.create(users[0]!)
})

test('a changed secret replaces the old one', async () => {
  const { secret } = await registry.users.create(users[0]!)
  const changed = await registry.users.rotateSecret('zhou')
  expect(await registry.signIn.bearer(secret, '::1')).toBeNull()
  expect(await registry.signIn.bearer(changed.secret, '::1')).not.toBeNull()
  await expect(registry.users.rotateSecret('nobody')).rejects.toMatchObject({ code: 'not_found' })
})

test('who is connected can be told that a secret opens nothing any more, after it does not', async () => {
  const told: string[] = []
  const secrets = { zhou: (await registry.users.create(users[0]!)).secret }
  registry.users.onChange(({ what, name }) => {
    told.push(`${what} ${name} ${registry.secrets.nameOf(secrets.zhou)}`)
  })
  secrets.zhou = (await registry.users.rotateSecret('zhou')).secret
  registry.users.remove('zhou')
  expect(told).toEqual(['secret zhou undefined', 'removed zhou undefined'])
})

test('the audit keeps what was noted, newest first, and lets nobody touch it', () => {
  const { audit, database } = registry
  for (let i = 0; i < 5; i++) {
    folder.clock.time++
    audit.note('zhou', 'device.create', `fume-${i}`, i === 4 ? 'by hand' : null)
  }
  const first = audit.list({ limit: 2 })
  expect(first.items).toMatchObject([
    { actor: 'zhou', action: 'device.create', subject: 'fume-4', detail: 'by hand', at: folder.clock.time },
    { subject: 'fume-3', detail: null },
  ])
  expect(audit.list({ limit: 9, cursor: first.cursor }).items.map(({ subject }) => subject)).toEqual([
    'fume-2',
    'fume-1',
    'fume-0',
  ])
  expect(() => database.sql.exec("UPDATE audit SET actor = 'x'")).toThrow(/append-only/)
  expect(() => database.sql.exec('DELETE FROM audit')).toThrow(/append-only/)
})
