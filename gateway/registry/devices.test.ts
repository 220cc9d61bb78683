import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { deviceOf, RegistryFolder, type Registry } from './registry.fixture.ts'
import { isGenerated } from './secrets.ts'

let folder: RegistryFolder
let registry: Registry
beforeEach(() => {
  folder = new RegistryFolder()
  registry = folder.open()
})
afterEach(() => folder.remove())

const full = {
  ...deviceOf('fume-1'),
  position: [120.857, 32.01, 12],
  attributes: { fume_limit: 1.5, target: 'III', indoor: true },
  protocols: { hj212: { mn: '320613000000000000000001', profile: 'standard', crc: 'annex-a' } },
}

test('a device is there again after a restart, with everything that was said of it', async () => {
  const { secret } = await registry.devices.create(full)
  expect(isGenerated(secret)).toBe(true)
  const { devices, signIn } = folder.open()
  expect(devices.get('fume-1')).toEqual(full)
  expect([...devices.all()]).toHaveLength(1)
  expect(await signIn.bearer(secret, '::1')).toEqual({ type: 'device', device: 'fume-1' })
})

test('an origin stays the same object until a tag changes', async () => {
  const { devices } = registry
  await devices.create(full)
  const origin = devices.origin('fume-1')
  expect(origin).toEqual({
    device: 'fume-1',
    kind: 'cooking_fume',
    site: 'site-1',
    street: 'wenfeng',
    grid: 'wenfeng-001',
  })
  devices.patch('fume-1', { attributes: { fume_limit: 2 } })
  expect(devices.origin('fume-1')).toBe(origin)
  devices.patch('fume-1', { grid: 'wenfeng-002' })
  expect(devices.origin('fume-1')).toEqual({ ...origin, grid: 'wenfeng-002' })
  expect(origin!.grid).toBe('wenfeng-001')
})

test('a patch merges, null removes, and a bad one changes nothing', async () => {
  const { devices } = registry
  await devices.create(full)
  devices.patch('fume-1', { position: null, attributes: { target: null, floor: 3 } })
  const patched = { ...full, attributes: { fume_limit: 1.5, indoor: true, floor: 3 } }
  const { position: _, ...expected } = patched
  expect(devices.get('fume-1')).toEqual(expected)
  for (const bad of [
    { id: 'fume-2' },
    { kind: null },
    { kind: 'teapot' },
    { colour: 'red' },
    [],
    null,
    'x',
  ]) {
    expect(() => devices.patch('fume-1', bad), JSON.stringify(bad)).toThrow(
      expect.objectContaining({ code: 'invalid' }),
    )
  }
  expect(folder.open().devices.get('fume-1')).toEqual(expected)
})

test('a removed device is gone with its secret and its presence', async () => {
  const { secret } = await registry.devices.create(full)
  registry.devices.setPresence('fume-1', true, 5)
  registry.devices.remove('fume-1')
  for (const { devices, signIn } of [registry, folder.open()]) {
    expect(devices.get('fume-1')).toBeUndefined()
    expect(devices.origin('fume-1')).toBeUndefined()
    expect(devices.presence('fume-1')).toBeUndefined()
    expect(await signIn.bearer(secret, '::1')).toBeNull()
    expect(() => devices.remove('fume-1')).toThrow(expect.objectContaining({ code: 'not_found' }))
  }
})

describe('what is refused', () => {
  test.each<[string, unknown, RegExp]>([
    ['nothing', undefined, /device/],
    ['a list', [full], /device: .*expected object/],
    ['no id', { ...full, id: undefined }, /id: missing/],
    ['an id with a slash', { ...full, id: 'a/b' }, /id: "a\/b"; expected 1 to 64 letters/],
    ['an id that climbs', { ...full, id: 'a..b' }, /id: "a\.\.b"; expected/],
    ['a wildcard', { ...full, id: '+' }, /id: "\+"; expected/],
    ['a reserved id', { ...full, id: 'gateway' }, /"gateway" is reserved/],
    ['the administrator’s name', { ...full, id: 'admin' }, /"admin" is reserved/],
    ['a number for a site', { ...full, site: 7 }, /site: 7; expected string/],
    [
      'an unknown kind',
      { ...full, kind: 'teapot' },
      /kind: "teapot" is not known; expected one of cooking_fume/,
    ],
    ['an unknown key', { ...full, colour: 'red' }, /colour: unknown key; expected id, kind/],
    ['half a position', { ...full, position: [120] }, /position: expected \[longitude/],
    ['a turned position', { ...full, position: [32, 120] }, /position: \[32, 120\] is no place/],
    ['an attribute that is an object', { ...full, attributes: { a: {} } }, /attributes\.a: {}/],
    [
      'an attribute named like a formula',
      { ...full, attributes: { '=1': 1 } },
      /attributes\."=1": unknown key/,
    ],
    ['__proto__', JSON.parse('{"__proto__":{"id":"x"}}'), /unknown key|missing/],
    [
      'more than fits',
      { ...full, protocols: { hj212: 'x'.repeat(20_000) } },
      /bytes of JSON; expected at most 16384/,
    ],
  ])('%s', async (_, candidate, message) => {
    await expect(registry.devices.create(candidate)).rejects.toThrow(message)
    await expect(registry.devices.create(candidate)).rejects.toMatchObject({ code: 'invalid' })
    expect(registry.devices.size).toBe(0)
  })

  test('an id that a device or a user has already', async () => {
    await registry.devices.create(full)
    await registry.users.create({ name: 'lin', role: 'viewer' })
    const exists = { code: 'exists' }
    await expect(registry.devices.create(full)).rejects.toMatchObject(exists)
    await expect(registry.devices.create(deviceOf('lin'))).rejects.toMatchObject(exists)
    await expect(registry.users.create({ name: 'fume-1', role: 'viewer' })).rejects.toMatchObject(exists)
  })

  test('one of two devices that are created under one id at once', async () => {
    const both = [registry.devices.create(full, 'chosen-1'), registry.devices.create(full, 'chosen-2')]
    const outcomes = await Promise.allSettled(both)
    expect(outcomes.map(({ status }) => status).sort()).toEqual(['fulfilled', 'rejected'])
  })

  test.each(['', '123', 'x'.repeat(257)])('a secret of a length that serves nobody', async (secret) => {
    await expect(registry.devices.create(full, secret)).rejects.toMatchObject({ code: 'invalid' })
  })
})

test('a failed transaction leaves memory as it was', async () => {
  const { database, devices } = registry
  await devices.create(full)
  const attempt = () =>
    database.transaction(() => {
      devices.patch('fume-1', { site: 'elsewhere' })
      devices.remove('fume-1')
      throw new Error('rolled back')
    })
  expect(attempt).toThrow('rolled back')
  expect(devices.get('fume-1')).toEqual(full)
  expect(registry.secrets.of('fume-1')).toBeDefined()
})

test('pages follow each other by id, whatever may be seen', async () => {
  const { devices } = registry
  await devices.createAll(['d', 'b', 'e', 'a', 'c'].map((id) => ({ device: deviceOf(id) })))
  expect(devices.list({ limit: 2 })).toMatchObject({ items: [{ id: 'a' }, { id: 'b' }], cursor: 'b' })
  devices.remove('b')
  expect(devices.list({ limit: 2, cursor: 'b' })).toMatchObject({
    items: [{ id: 'c' }, { id: 'd' }],
    cursor: 'd',
  })
  expect(devices.list({ limit: 2, cursor: 'd' })).toEqual({ items: [deviceOf('e')] })
  expect(devices.list({ limit: 5, may: ({ id }) => id > 'c' }).items).toHaveLength(2)
})

test('listeners hear of changes after the commit', async () => {
  const { database, devices } = registry
  const heard: string[] = []
  devices.onChange(({ what, id }) => heard.push(`${what} ${id}`))
  await devices.create(full)
  database.transaction(() => {
    devices.patch('fume-1', { site: 'other' })
    expect(heard).toEqual(['created fume-1'])
  })
  await devices.rotateSecret('fume-1')
  devices.setPresence('fume-1', true, 1)
  devices.setPresence('fume-1', true, 2)
  devices.remove('fume-1')
  expect(heard.slice(1)).toEqual(['changed fume-1', 'secret fume-1', 'presence fume-1', 'removed fume-1'])
})

test('after a restart a device is away until it says otherwise, last seen when it was', async () => {
  await registry.devices.create(full)
  registry.devices.setPresence('fume-1', true, 17)
  registry.devices.setPresence('nobody', true, 17)
  expect(registry.devices.presence('fume-1')).toEqual({ online: true, at: 17 })
  const { devices } = folder.open()
  expect(devices.presence('fume-1')).toEqual({ online: false, at: 17 })
  expect(devices.presence('nobody')).toBeUndefined()
})
