import { afterEach, beforeEach, expect, test } from 'vitest'
import { ExpiryWatch } from './expiry-watch.ts'
import { RegistryFolder, type Registry } from './registry.fixture.ts'

const HERE = '192.0.2.1'
const DAY = 86_400_000

let folder: RegistryFolder
let registry: Registry
beforeEach(async () => {
  folder = new RegistryFolder()
  registry = folder.open()
  await registry.users.create({ name: 'lin', role: 'street', street: 'wenfeng' })
  await registry.users.create({ name: 'guest', role: 'viewer' })
})
afterEach(() => folder.remove())

const make = (user = 'lin', more: { readOnly?: boolean; expires?: number } = {}) =>
  registry.users.tokens.create(
    user,
    { title: 'wall', expires: folder.clock.time + 90 * DAY, readOnly: false, ...more },
    folder.clock.time,
  )
const password = (name: string, secret: string) => registry.signIn.password(name, Buffer.from(secret), HERE)

test('opens every door of its user and none of anybody else, also after a restart', async () => {
  const { token, text } = make('lin', { readOnly: true })
  const lin = registry.users.get('lin')!
  const expected = { type: 'user', user: lin, grant: { token: token.id, readOnly: true } }
  for (let i = 0; i < 2; i++) {
    expect(await registry.signIn.bearer(text, HERE)).toEqual(expected)
    expect(await registry.signIn.bearer(`lin:${text}`, HERE)).toEqual(expected)
    expect(await password('lin', text)).toEqual(expected)
    expect(await password('guest', text)).toBeNull()
    expect(await password('admin', text)).toBeNull()
    registry = folder.open()
  }
  expect(await registry.signIn.bearer(`${text.slice(0, -1)}!`, HERE)).toBeNull()
  expect(registry.slowHash.started).toBe(0)
})

test('is told from every secret by its prefix, and its text is not on disk', () => {
  const { text } = make()
  expect(text).toMatch(/^gwt_[\w-]{43}$/)
  const { sql } = registry.database
  const dump = ['tokens', 'audit', 'secrets'].map((table) =>
    JSON.stringify(sql.prepare(`SELECT * FROM ${table}`).all()),
  )
  expect(dump.join()).not.toContain(text.slice(4))
})

test('opens nothing from the moment that it expires, and says that to whoever has it', async () => {
  const { text, token } = make()
  folder.clock.time = token.expires - 1
  expect(await registry.signIn.bearer(text, HERE)).toMatchObject({ type: 'user' })
  folder.clock.time = token.expires
  expect(await registry.signIn.bearer(text, HERE)).toBe('expired')
  expect(await password('lin', text)).toBe('expired')
  expect(await password('guest', text)).toBeNull()
})

test('ends with its user: at the end of the right, and a later user of that name does not inherit it', async () => {
  const { text } = make()
  registry.users.setExpiry('lin', folder.clock.time + DAY)
  expect(await registry.signIn.bearer(text, HERE)).toMatchObject({ type: 'user' })
  folder.clock.time += DAY
  expect(await registry.signIn.bearer(text, HERE)).toBe('expired')
  registry.users.remove('lin')
  expect(await registry.signIn.bearer(text, HERE)).toBeNull()
  await registry.users.create({ name: 'lin', role: 'admin' })
  registry = folder.open()
  expect(await registry.signIn.bearer(text, HERE)).toBeNull()
  expect(registry.users.tokens.of('lin')).toEqual([])
})

test('that is revoked opens nothing, and who holds connections is told', async () => {
  const told: string[] = []
  registry.users.tokens.onRevoked(({ id }) => told.push(id))
  const { text, token } = make()
  const other = make()
  expect(() => registry.users.tokens.revoke('guest', token.id)).toThrow(/has no token/)
  registry.users.tokens.revoke('lin', token.id)
  expect(await registry.signIn.bearer(text, HERE)).toBeNull()
  expect(await registry.signIn.bearer(other.text, HERE)).toMatchObject({ type: 'user' })
  expect(told).toEqual([token.id])
  registry = folder.open()
  expect(registry.users.tokens.of('lin').map(({ id }) => id)).toEqual([other.token.id])
})

test('shows the day of its last use, in Shanghai', async () => {
  const { text } = make()
  expect(registry.users.tokens.of('lin')[0]!.lastUsed).toBeNull()
  folder.clock.time = Date.parse('2026-03-01T23:59:00Z')
  expect(await registry.signIn.bearer(text, HERE)).toBe('expired')
  expect(registry.users.tokens.of('lin')[0]!.lastUsed).toBeNull()
  folder.clock.time = Date.parse('2024-07-01T23:59:00+08:00')
  await registry.signIn.bearer(text, HERE)
  folder.clock.time += 60_000
  await registry.signIn.bearer(text, HERE)
  registry = folder.open()
  expect(registry.users.tokens.of('lin')[0]!.lastUsed).toBe('2024-07-02')
})

test('has an end within 400 days and a title, and a user has at most 50', () => {
  for (const expires of [folder.clock.time, folder.clock.time + 401 * DAY, Number.NaN])
    expect(() => make('lin', { expires })).toThrow(/expires: .*expected a time within 400 days/)
  const untitled = { title: ' ', expires: folder.clock.time + 1, readOnly: false }
  expect(() => registry.users.tokens.create('lin', untitled, folder.clock.time)).toThrow(/title/)
  for (let i = 0; i < 50; i++) make('lin', { expires: folder.clock.time + DAY })
  expect(() => make()).toThrow(/50 tokens already/)
  make('guest')
  // Those that ended long ago make room.
  folder.clock.time += 32 * DAY
  make()
  expect(registry.users.tokens.of('lin')).toHaveLength(1)
})

test('a user whose time has come is let in no more, whatever the secret', async () => {
  const expires = folder.clock.time + DAY
  const { secret } = await registry.users.create({ name: 'temp', role: 'viewer', expires })
  await registry.users.create({ name: 'pick', role: 'viewer', expires }, 'correct horse')
  expect(await registry.signIn.bearer(secret, HERE)).toMatchObject({ type: 'user' })
  registry = folder.open()
  folder.clock.time = expires
  expect(await registry.signIn.bearer(secret, HERE)).toBe('expired')
  expect(await password('pick', 'correct horse')).toBe('expired')
  expect(await password('pick', 'wrong horse!')).toBeNull()
  registry.users.setExpiry('pick', null)
  expect(await password('pick', 'correct horse')).toMatchObject({ type: 'user' })
})

test('live connections are told once when a time has come', () => {
  const { token } = make()
  registry.users.setExpiry('guest', folder.clock.time + DAY)
  const told: string[] = []
  const watch = new ExpiryWatch(
    registry.users,
    folder.clock,
    (name) => told.push(name),
    (id) => told.push(id),
  )
  watch.look()
  folder.clock.time += DAY
  watch.look()
  watch.look()
  expect(told).toEqual(['guest'])
  folder.clock.time = token.expires
  watch.look()
  expect(told).toEqual(['guest', token.id])
})

test.each<[string, string, RegExp]>([
  ['shorter than eight characters', 'seven77', /too short; expected at least 8 characters/],
  ['the name', 'Zhang-san', /is the name/],
])('a person cannot choose a secret that is %s', async (_what, secret, message) => {
  const zhang = { name: 'zhang-san', role: 'viewer' } as const
  await expect(registry.users.create(zhang, secret)).rejects.toThrow(message)
  await registry.users.create(zhang)
  await expect(registry.users.rotateSecret('zhang-san', secret)).rejects.toThrow(message)
})
