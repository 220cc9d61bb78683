import assert from 'node:assert'
import { mkdtempSync, rmSync } from 'node:fs'
import { createRequire } from 'node:module'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setImmediate } from 'node:timers/promises'
import * as fc from 'fast-check'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { FilterTree } from './filter-tree.ts'
import { SESSION_EXPIRY_MS, SESSIONS_PER_OWNER } from './limits.ts'
import { Sessions } from './sessions.ts'
import { covers, isPlainFilter } from './topic-rights.ts'

let folder: string
let now: number
const clock = { now: () => now }

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'sessions-'))
  now = 1_718_000_000_000
})
afterEach(() => rmSync(folder, { recursive: true, force: true }))

async function open(
  mayHold: (client: { id: string }, filter: string) => boolean = () => true,
  queueLimit?: number,
) {
  const sessions = new Sessions(join(folder, 'sessions.db'), clock, mayHold, queueLimit)
  await sessions.setup({ id: 'broker-1' })
  return sessions
}

async function queue(sessions: Sessions, id: string): Promise<string[]> {
  const packets = (await sessions.outgoingStream({ id }).toArray()) as { payload: Buffer }[]
  return packets.map((packet) => packet.payload.toString())
}

const packet = (text: string, counter: number) => ({
  cmd: 'publish',
  topic: 'v1/fume-1/commands',
  payload: Buffer.from(text),
  qos: 1,
  brokerId: 'broker-1',
  brokerCounter: counter,
})

/**
 * The suite that aedes' own stores are held to. What it says of MQTT 5 is left out (aedes 1 does not speak it):
 * the options of a subscription beyond its QoS, and subscription identifiers. Its retained packets carry an `id`
 * that no packet of aedes has.
 */
describe('is an aedes persistence', () => {
  const suite = createRequire(import.meta.url)('aedes-persistence/abstract.js') as (options: object) => void
  const beyond = new Set(['rh', 'rap', 'nl', 'id'])
  const plain = (value: unknown): unknown => {
    if (Array.isArray(value)) return value.map(plain)
    if (value instanceof Uint8Array) return Buffer.from(value).toString('hex')
    if (value === null || typeof value !== 'object') return value
    return Object.fromEntries(
      Object.entries(value)
        .filter(([key, item]) => item !== undefined && !beyond.has(key))
        .map(([key, item]) => [key, plain(item)]),
    )
  }
  const context = {
    plan: () => undefined,
    diagnostic: () => undefined,
    assert: {
      ...assert,
      ok: assert.ok,
      equal: assert.equal,
      notEqual: assert.notEqual,
      deepEqual: (actual: unknown, expected: unknown) => expect(plain(actual)).toEqual(plain(expected)),
    },
  }
  suite({
    testAsync: true,
    persistence: () => new Sessions(join(folder, 'sessions.db'), clock, () => true),
    test: (name: string, run: (t: typeof context) => Promise<void>) => {
      if (!name.includes('MQTT 5.0')) test(name, () => run(context))
    },
  })
})

test('what was answered is there after a restart', async () => {
  const session = { id: 'device/fume-1/a' }
  const before = await open()
  await before.attend(session.id, false, () => true)
  await before.addSubscriptions(session, [{ topic: 'v1/fume-1/commands', qos: 1 }])
  await before.outgoingEnqueueCombi(await before.subscriptionsByTopic('v1/fume-1/commands'), packet('one', 1))
  await before.storeRetained({
    topic: 'dispatch/t1/orders/c1',
    payload: Buffer.from('{}'),
    qos: 1,
    retain: true,
  })
  await before.incomingStorePacket(session, { ...packet('two', 2), qos: 2, messageId: 7 })
  await before.putWill(session, { topic: 'v1/fume-1/status', payload: Buffer.from('x'), qos: 1 })
  await before.destroy()

  const after = await open()
  expect(await after.subscriptionsByTopic('v1/fume-1/commands')).toEqual([
    { clientId: session.id, topic: 'v1/fume-1/commands', qos: 1 },
  ])
  expect(await queue(after, session.id)).toEqual(['one'])
  expect([...after.retained('dispatch/#')].map((kept) => kept.topic)).toEqual(['dispatch/t1/orders/c1'])
  expect(after.holdsIncoming(session.id, 7)).toBe(true)
  expect(after.wills().map((will) => will.clientId)).toEqual([session.id])
  await after.destroy()
})

test('a full queue of an absent client loses its oldest message, counted', async () => {
  const sessions = await open(() => true, 3)
  for (let i = 1; i <= 5; i++) await sessions.outgoingEnqueue({ clientId: 'device/a/1' }, packet(`m${i}`, i))
  expect(await queue(sessions, 'device/a/1')).toEqual(['m3', 'm4', 'm5'])
  expect(sessions.dropped).toBe(2)
  const first = (await sessions.outgoingStream({ id: 'device/a/1' }).toArray())[0] as {
    brokerCounter: number
  }
  await sessions.outgoingUpdate({ id: 'device/a/1' }, { ...packet('m3', first.brokerCounter), messageId: 9 })
  await sessions.outgoingClearMessageId({ id: 'device/a/1' }, { messageId: 9 })
  await sessions.outgoingEnqueue({ clientId: 'device/a/1' }, packet('m6', 6))
  expect(await queue(sessions, 'device/a/1')).toEqual(['m4', 'm5', 'm6'])
  await sessions.destroy()
})

test('a message waits once for a session, however many of its filters match', async () => {
  const sessions = await open()
  await sessions.addSubscriptions({ id: 'user/t/1' }, [
    { topic: 'dispatch/t/#', qos: 1 },
    { topic: 'dispatch/t/orders/+', qos: 1 },
  ])
  await sessions.outgoingEnqueueCombi(
    await sessions.subscriptionsByTopic('dispatch/t/orders/c'),
    packet('order', 1),
  )
  expect(await queue(sessions, 'user/t/1')).toEqual(['order'])
  await sessions.destroy()
})

test('only subscriptions that are allowed are kept, and no longer than they are', async () => {
  const sessions = await open((_, filter) => filter !== '#')
  await sessions.addSubscriptions({ id: 'user/u/1' }, [
    { topic: 'a', qos: 1 },
    { topic: 'b', qos: 1 },
    { topic: '#', qos: 1 },
  ])
  expect((await sessions.subscriptionsByClient({ id: 'user/u/1' })).map((sub) => sub.topic)).toEqual([
    'a',
    'b',
  ])
  await sessions.attend('user/u/1', false, (filter) => filter === 'b')
  expect((await sessions.subscriptionsByClient({ id: 'user/u/1' })).map((sub) => sub.topic)).toEqual(['b'])
  await sessions.attend('user/u/1', false, () => false)
  expect(await sessions.subscriptionsByTopic('b')).toEqual([])
  await sessions.destroy()
})

test('a session is forgotten after a week away, but not while its client is here', async () => {
  const sessions = await open()
  for (const id of ['device/away/1', 'device/here/1']) {
    await sessions.attend(id, false, () => true)
    await sessions.addSubscriptions({ id }, [{ topic: 'x', qos: 1 }])
  }
  now += SESSION_EXPIRY_MS + 1
  await sessions.tidy(['device/here/1'])
  expect((await sessions.subscriptionsByTopic('x')).map((match) => match.clientId)).toEqual(['device/here/1'])
  await sessions.destroy()
})

test('an owner has so many sessions, the longest unseen goes first', async () => {
  const sessions = await open()
  for (let i = 0; i <= SESSIONS_PER_OWNER; i++) {
    now++
    await sessions.attend(`device/a/${i}`, false, () => true)
    await sessions.addSubscriptions({ id: `device/a/${i}` }, [{ topic: 'x', qos: 1 }])
  }
  const holders = (await sessions.subscriptionsByTopic('x')).map((match) => match.clientId)
  expect(holders).toHaveLength(SESSIONS_PER_OWNER)
  expect(holders).not.toContain('device/a/0')
  await sessions.destroy()
})

test('retained messages come in pages that lose and double nothing', async () => {
  const sessions = await open()
  const topics = Array.from({ length: 350 }, (_, i) => `alarms/s/${String(i).padStart(4, '0')}`)
  await Promise.all(
    [...topics, 'alarms/s0', 'alarms/r/1', 'alarms/s'].map((topic) =>
      sessions.storeRetained({ topic, payload: Buffer.from('x'), qos: 0, retain: true }),
    ),
  )
  const found = (await sessions.createRetainedStreamCombi(['alarms/s/+']).toArray()) as { topic: string }[]
  expect(found.map((kept) => kept.topic)).toEqual(topics)
  expect([...sessions.retained('alarms/s/#')]).toHaveLength(351)
  expect([...sessions.retained('alarms/s/0001')]).toHaveLength(1)
  await sessions.destroy()
  await setImmediate()
})

test('the tree finds exactly the filters that match', () => {
  const level = fc.constantFrom('a', 'b', '', '+', '$x')
  const filter = fc
    .tuple(fc.array(level, { minLength: 1, maxLength: 4 }), fc.boolean())
    .map(([levels, rest]) => [...levels, ...(rest ? ['#'] : [])].join('/'))
    .filter((text) => isPlainFilter(text))
  const topic = fc
    .array(fc.constantFrom('a', 'b', '', '$x'), { minLength: 1, maxLength: 5 })
    .map((levels) => levels.join('/'))
  fc.assert(
    fc.property(
      fc.uniqueArray(filter, { maxLength: 12 }),
      fc.array(fc.nat(11)),
      topic,
      (filters, removed, topic) => {
        const tree = new FilterTree()
        for (const text of filters) tree.add(text, 's', 1)
        const gone = new Set(removed.map((index) => filters[index]))
        for (const text of gone) if (text !== undefined) tree.remove(text, 's')
        const expected = filters.filter(
          (text) =>
            !gone.has(text) &&
            !(topic.startsWith('$') && /^[+#]/.test(text)) &&
            covers(text.split('/'), topic.split('/')),
        )
        const found = tree.match(topic).map((match) => match.topic)
        expect(found.sort()).toEqual(expected.sort())
      },
    ),
  )
})
