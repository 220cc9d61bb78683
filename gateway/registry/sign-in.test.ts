import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { ADMIN_TOKEN, deviceOf, RegistryFolder, type Registry } from './registry.fixture.ts'
import { SlowHash } from './slow-hash.ts'

let folder: RegistryFolder
let registry: Registry
beforeEach(() => {
  folder = new RegistryFolder()
  registry = folder.open()
})
afterEach(() => folder.remove())

const HERE = '192.0.2.1'
const ELSEWHERE = '198.51.100.7'
const CHOSEN = 'correct horse battery'
const fume1 = { type: 'device', device: 'fume-1' }

const attempt = (name: string, secret: string, address = HERE) =>
  registry.signIn.password(name, Buffer.from(secret), address)

describe('a generated secret', () => {
  test('opens its own name only, and never costs a slow hash', async () => {
    const { secret } = await registry.devices.create(deviceOf('fume-1'))
    const other = await registry.devices.create(deviceOf('fume-2'))
    expect(await attempt('fume-1', secret)).toEqual(fume1)
    expect(await attempt('fume-1', other.secret)).toBeNull()
    expect(await attempt('fume-3', secret)).toBeNull()
    for (let i = 0; i < 1000; i++) await attempt('fume-1', other.secret)
    expect(await attempt('fume-1', secret)).toEqual(fume1)
    expect(registry.slowHash.started).toBe(0)
  })

  test('is a bearer token, alone or behind its name', async () => {
    const device = await registry.devices.create(deviceOf('fume-1'))
    const user = await registry.users.create({ name: 'lin', role: 'street', street: 'wenfeng' })
    expect(await registry.signIn.bearer(device.secret, HERE)).toEqual(fume1)
    expect(await registry.signIn.bearer(`fume-1:${device.secret}`, HERE)).toEqual(fume1)
    const lin = { type: 'user', user: { name: 'lin', role: 'street', street: 'wenfeng', team: null } }
    expect(await registry.signIn.bearer(user.secret, HERE)).toEqual(lin)
    expect(await registry.signIn.bearer(`fume-1:${user.secret}`, HERE)).toBeNull()
  })

  test('opens nothing once it was changed', async () => {
    const { secret } = await registry.devices.create(deviceOf('fume-1'))
    const changed = await registry.devices.rotateSecret('fume-1')
    expect(await attempt('fume-1', secret)).toBeNull()
    expect(await attempt('fume-1', changed.secret)).toEqual(fume1)
  })

  test('is not on disk', async () => {
    const { secret } = await registry.devices.create(deviceOf('fume-1'))
    const rows = JSON.stringify(registry.database.sql.prepare('SELECT * FROM secrets').all())
    expect(rows).not.toContain(secret)
    expect(rows).not.toContain(secret.slice(3))
  })
})

describe('a chosen secret', () => {
  beforeEach(async () => {
    await registry.devices.create(deviceOf('fume-1'), CHOSEN)
    registry = folder.open(new SlowHash())
  })

  test('a thousand reconnects cost one slow hash', async () => {
    // As after a restart: all at once, and nothing is cached.
    const together = await Promise.all(Array.from({ length: 500 }, () => attempt('fume-1', CHOSEN)))
    for (let i = 0; i < 500; i++) together.push(await attempt('fume-1', CHOSEN))
    expect(together).toEqual(Array.from({ length: 1000 }, () => fume1))
    expect(registry.slowHash.started).toBe(1)
  })

  test('is a bearer token behind its name, colons and all', async () => {
    await registry.devices.rotateSecret('fume-1', 'a:b:c:d')
    expect(await registry.signIn.bearer('fume-1:a:b:c:d', HERE)).toEqual(fume1)
    expect(await registry.signIn.bearer('a:b:c:d', HERE)).toBeNull()
    expect(await registry.signIn.bearer(':a:b:c:d', HERE)).toBeNull()
  })

  test('opens nothing once it was changed, though it was cached', async () => {
    await attempt('fume-1', CHOSEN)
    await registry.devices.rotateSecret('fume-1', 'another one')
    expect(await attempt('fume-1', CHOSEN)).toBeNull()
    expect(await attempt('fume-1', 'another one')).toEqual(fume1)
  })

  test('opens nothing once it was changed, though its hash was under way', async () => {
    const underWay = attempt('fume-1', CHOSEN)
    await registry.devices.rotateSecret('fume-1')
    expect(await underWay).toBeNull()
    expect(await attempt('fume-1', CHOSEN)).toBeNull()
  })

  test('opens nothing once its device is removed, though it was cached', async () => {
    await attempt('fume-1', CHOSEN)
    registry.devices.remove('fume-1')
    expect(await attempt('fume-1', CHOSEN)).toBeNull()
  })

  test('two of the same text are kept as different hashes', async () => {
    await registry.devices.create(deviceOf('fume-2'), CHOSEN)
    expect(registry.secrets.of('fume-1')!.hash).not.toEqual(registry.secrets.of('fume-2')!.hash)
  })

  test('guessing at speed costs five slow hashes, lets nobody in, and locks out nobody elsewhere', async () => {
    const guesses = await Promise.all(Array.from({ length: 1000 }, (_, i) => attempt('fume-1', `guess ${i}`)))
    expect(guesses.every((principal) => principal === null)).toBe(true)
    expect(registry.slowHash.started).toBe(5)
    expect(await attempt('fume-1', CHOSEN)).toBeNull()
    expect(await attempt('fume-1', CHOSEN, ELSEWHERE)).toEqual(fume1)
    folder.clock.time += 60_000
    expect(await attempt('fume-1', CHOSEN)).toEqual(fume1)
  })

  test('guessing at a name that is cached is slowed down as well', async () => {
    await attempt('fume-1', CHOSEN, HERE)
    for (let i = 0; i < 100; i++) await attempt('fume-1', `guess ${i}`)
    expect(registry.slowHash.started).toBe(6)
    expect(await attempt('fume-1', CHOSEN)).toBeNull()
  })

  test('guessing at many names from one address is slowed down too', async () => {
    await Promise.all(Array.from({ length: 60 }, (_, i) => attempt(`name-${i}`, 'guess 1')))
    await Promise.all(Array.from({ length: 200 }, (_, i) => attempt(`other-${i}`, 'guess 1')))
    expect(registry.slowHash.started).toBe(60)
    expect(await attempt('fume-1', CHOSEN, ELSEWHERE)).toEqual(fume1)
  })

  test('a customer’s IPv6 network is one address, and IPv4 in IPv6 is IPv4', async () => {
    const same = [
      '2001:db8:1:2::1',
      '2001:db8:1:2:ffff::',
      '2001:0db8:0001:0002:3:4:5:6',
      '2001:DB8:1:2::9%eth0',
    ]
    for (let i = 0; i < 20; i++) await attempt('fume-1', `guess ${i}`, same[i % same.length])
    expect(registry.slowHash.started).toBe(5)
    for (let i = 0; i < 20; i++) await attempt('fume-1', `guess ${i}`, i % 2 === 0 ? HERE : `::ffff:${HERE}`)
    expect(registry.slowHash.started).toBe(10)
    expect(await attempt('fume-1', CHOSEN, '2001:db8:1:3::1')).toEqual(fume1)
  })

  test('when too many wait for their hash, the next is turned away without a mark against it', async () => {
    registry = folder.open(new SlowHash(1, 1))
    await registry.devices.createAll(
      ['a', 'b', 'c'].map((id) => ({ device: deviceOf(id), secret: `${CHOSEN} ${id}` })),
    )
    const first = await Promise.all(['a', 'b', 'c'].map((id) => attempt(id, `${CHOSEN} ${id}`)))
    expect(first.filter((principal) => principal !== null)).toHaveLength(2)
    const second = []
    for (const id of ['a', 'b', 'c']) second.push(await attempt(id, `${CHOSEN} ${id}`))
    expect(second.filter((principal) => principal !== null)).toHaveLength(3)
  })
})

test('an unknown name costs what a wrong secret costs', async () => {
  await registry.devices.create(deviceOf('generated'))
  for (const [i, name] of ['generated', 'nobody'].entries()) {
    expect(await attempt(name, 'not its secret')).toBeNull()
    expect(registry.slowHash.started).toBe(i + 1)
  }
})

test.each(['', 'a/b', '+', '#', '..', 'x'.repeat(65), 'gateway', '__proto__', 'constructor'])(
  'the name %j opens nothing',
  async (name) => {
    expect(await attempt(name, CHOSEN)).toBeNull()
    expect(registry.signIn.certificate(name)).toBeNull()
  },
)

test('a secret that is empty or endless is not looked at', async () => {
  await registry.devices.create(deviceOf('fume-1'))
  expect(await attempt('fume-1', '')).toBeNull()
  expect(await attempt('fume-1', 'x'.repeat(100_000))).toBeNull()
  expect(registry.slowHash.started).toBe(0)
})

test('a certificate opens the device that its common name names', async () => {
  await registry.devices.create(deviceOf('fume-1'))
  await registry.users.create({ name: 'lin', role: 'viewer' })
  expect(registry.signIn.certificate('fume-1')).toEqual(fume1)
  expect(registry.signIn.certificate('lin')).toBeNull()
})

test('the admin token is the user admin, whom nobody else can be', async () => {
  const admin = { type: 'user', user: { name: 'admin', role: 'admin', street: null, team: null } }
  expect(await registry.signIn.bearer(ADMIN_TOKEN, HERE)).toEqual(admin)
  expect(await attempt('admin', ADMIN_TOKEN)).toEqual(admin)
  expect(await registry.signIn.bearer(`${ADMIN_TOKEN}x`, HERE)).toBeNull()
  expect(await registry.signIn.bearer('', HERE)).toBeNull()
  expect(await attempt('fume-1', ADMIN_TOKEN)).toBeNull()
  await expect(registry.users.create({ name: 'admin', role: 'admin' })).rejects.toMatchObject({
    code: 'invalid',
  })
})
