import { createHash } from 'node:crypto'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { ADMIN_TOKEN, deviceOf, RegistryFolder, type Registry } from './registry.fixture.ts'
import { SlowHash } from './slow-hash.ts'

const HOME = '198.51.100.7'
const CHOSEN = 'correct horse'
const MINUTE = 60_000

/** A double for the slow hash: what is counted here is guesses, not the time that each takes. */
class QuickHash extends SlowHash {
  override async hash(secret: Uint8Array, salt: Uint8Array): Promise<Buffer> {
    this.started++
    return createHash('sha256').update(salt).update(secret).digest()
  }
}

let folder: RegistryFolder
let registry: Registry
beforeEach(async () => {
  folder = new RegistryFolder()
  registry = folder.open(new QuickHash())
  await registry.users.create({ name: 'crew', role: 'team', team: 't1' }, CHOSEN)
})
afterEach(() => folder.remove())

const attempt = async (secret: string, address: string, name = 'crew') =>
  (await registry.signIn.password(name, Buffer.from(secret), address)) !== null
const settled = () => new Promise((resolve) => setImmediate(resolve))

let guess = 0
/** Each from an address of its own. */
async function guessAt(name: string, count: number): Promise<void> {
  for (let i = 0; i < count; i++) {
    guess++
    await attempt(`guess ${guess}`, `203.0.${guess >> 8}.${guess & 255}`, name)
  }
  await settled()
}

test('ten different wrong secrets from ten addresses lock an account for a quarter of an hour', async () => {
  await guessAt('crew', 9)
  expect(registry.lockouts.lockedUntil('crew')).toBeNull()
  await guessAt('crew', 1)
  expect(registry.lockouts.lockedUntil('crew')).toBe(folder.clock.time + 15 * MINUTE)
  expect(await attempt(CHOSEN, HOME)).toBe(false)
  folder.clock.time += 15 * MINUTE
  expect(await attempt(CHOSEN, HOME)).toBe(true)
  const [entry] = registry.audit.list({ limit: 1 }).items
  expect(entry).toMatchObject({ actor: 'gateway', action: 'user.locked', subject: 'crew' })
})

test('whoever knows a name cannot keep its crew out: where it signed in within 30 days, no lock holds', async () => {
  expect(await attempt(CHOSEN, HOME)).toBe(true)
  await guessAt('crew', 20)
  expect(registry.lockouts.isLocked('crew', '203.0.113.1')).toBe(true)
  expect(await attempt(CHOSEN, HOME)).toBe(true)
  registry = folder.open(new QuickHash())
  expect(await attempt(CHOSEN, HOME)).toBe(true)
  expect(await attempt(CHOSEN, '192.0.2.9')).toBe(false)
  folder.clock.time += 31 * 86_400_000
  await guessAt('crew', 10)
  expect(await attempt(CHOSEN, HOME)).toBe(false)
  // From this machine one can always try.
  expect(await attempt(CHOSEN, '::1')).toBe(true)
})

test('a lock survives a restart, and each that follows is twice as long, up to four hours', async () => {
  for (const minutes of [15, 30, 60, 120, 240, 240]) {
    await guessAt('crew', 10)
    expect(registry.lockouts.lockedUntil('crew')).toBe(folder.clock.time + minutes * MINUTE)
    // Guesses meanwhile make it no longer.
    folder.clock.time += minutes * MINUTE - 1
    await guessAt('crew', 20)
    registry = folder.open(new QuickHash())
    expect(await attempt(CHOSEN, HOME)).toBe(false)
    folder.clock.time += 1
    expect(registry.lockouts.lockedUntil('crew')).toBeNull()
  }
  folder.clock.time += 25 * 60 * MINUTE
  await guessAt('crew', 10)
  expect(registry.lockouts.lockedUntil('crew')).toBe(folder.clock.time + 15 * MINUTE)
})

test('a phone that keeps trying its old secret locks nobody out, and neither do slow mistakes', async () => {
  for (let i = 0; i < 100; i++) await attempt('the former one', `203.0.113.${i}`)
  expect(registry.lockouts.lockedUntil('crew')).toBeNull()
  for (let i = 0; i < 30; i++) {
    await guessAt('crew', 1)
    folder.clock.time += 2 * MINUTE
  }
  expect(registry.lockouts.lockedUntil('crew')).toBeNull()
})

test('what cannot be guessed is never locked: generated secrets, tokens, devices', async () => {
  const { secret } = await registry.users.create({ name: 'program', role: 'viewer' })
  await registry.devices.create(deviceOf('fume-1'), '4711')
  const { text } = registry.users.tokens.create(
    'crew',
    { title: 'phone', expires: folder.clock.time + MINUTE, readOnly: false },
    folder.clock.time,
  )
  for (const name of ['crew', 'program', 'fume-1', 'nobody']) await guessAt(name, 20)
  expect(await attempt(text, HOME)).toBe(true)
  expect(await attempt(secret, HOME, 'program')).toBe(true)
  expect(await attempt('4711', HOME, 'fume-1')).toBe(true)
  expect(['program', 'fume-1', 'nobody'].map((name) => registry.lockouts.lockedUntil(name))).toEqual([
    null,
    null,
    null,
  ])
})

test('a lock is no oracle: the right secret costs a hash like a wrong one, also when it was known', async () => {
  await attempt(CHOSEN, HOME)
  await guessAt('crew', 10)
  for (const secret of [CHOSEN, 'wrong wrong', CHOSEN]) {
    const before = registry.slowHash.started
    expect(await attempt(secret, '192.0.2.77')).toBe(false)
    expect(registry.slowHash.started).toBe(before + 1)
  }
  // Not even the throttle tells: five at once from an address, right or wrong.
  const before = registry.slowHash.started
  for (let i = 0; i < 10; i++) await attempt(CHOSEN, '192.0.2.78')
  expect(registry.slowHash.started).toBe(before + 5)
})

test('an admin unlocks; another secret, or another user of the name, starts afresh', async () => {
  await guessAt('crew', 10)
  expect(registry.lockouts.unlock('crew')).toBe(true)
  expect(registry.lockouts.unlock('crew')).toBe(false)
  expect(await attempt(CHOSEN, HOME)).toBe(true)
  await guessAt('crew', 10)
  await registry.users.rotateSecret('crew', 'another horse')
  expect(await attempt('another horse', '192.0.2.1')).toBe(true)
  // Where the old secret was known is no place of the new one.
  await guessAt('crew', 10)
  expect(await attempt('another horse', HOME)).toBe(false)
  registry.users.remove('crew')
  registry = folder.open(new QuickHash())
  expect(registry.lockouts.lockedUntil('crew')).toBeNull()
})

describe('an admin token', () => {
  const bearer = async (token: string, address: string) =>
    (await registry.signIn.bearer(token, address)) !== null

  test('that is short is guessed at slowly, from one address and from many', async () => {
    registry = folder.open(new QuickHash(), 'short')
    for (let i = 0; i < 30; i++) await bearer(`guess-${i}`, HOME)
    expect(await bearer('short', HOME)).toBe(false)
    expect(await attempt('short', HOME, 'admin')).toBe(false)
    folder.clock.time += 10_000
    await settled()
    // The other guesses have locked it for places that it does not know; this machine is not among them.
    expect(await bearer('short', HOME)).toBe(false)
    expect(await bearer('short', '127.0.0.1')).toBe(true)
    folder.clock.time += 15 * MINUTE
    expect(await bearer('short', HOME)).toBe(true)
    await guessAt('admin', 20)
    expect(await bearer('short', HOME)).toBe(true)
    expect(await bearer('short', '192.0.2.1')).toBe(false)
  })

  test('is not taken away by programs that repeat one mistake, nor by devices with theirs', async () => {
    registry = folder.open(new QuickHash(), 'short')
    for (let i = 0; i < 200; i++) {
      await bearer('nonsense', HOME)
      await bearer(`fume-${i}:wrong`, HOME)
    }
    await settled()
    expect(await bearer('short', HOME)).toBe(true)
  })

  test('that is long enough is never refused', async () => {
    for (let i = 0; i < 200; i++) await bearer(`guess-${i}`, HOME)
    expect(await bearer(ADMIN_TOKEN, HOME)).toBe(true)
  })
})
