import { once } from 'node:events'
import { PassThrough } from 'node:stream'
import { setImmediate as turn } from 'node:timers/promises'
import * as fc from 'fast-check'
import { generate } from 'mqtt-packet'
import { expect, test } from 'vitest'
import { Connection } from './connection.ts'
import { Allowance } from '../model/allowance.ts'
import { Peer } from './peers.ts'
import { pubacks, splitPublishes, topicBytes, type Publish } from './readings-lane.ts'

const TOPIC = 'v1/kitchen-1/readings'

const publish = (messageId: number, payload: string, topic = TOPIC, more: object = {}): Buffer =>
  generate({
    cmd: 'publish',
    qos: 1,
    dup: false,
    retain: false,
    topic,
    messageId,
    payload,
    ...more,
  })

const CONNECT = generate({
  cmd: 'connect',
  protocolId: 'MQTT',
  protocolVersion: 4,
  clean: true,
  clientId: 'c',
  keepalive: 60,
})

test.each<[string, Buffer]>([
  ['another topic', publish(1, '{}', 'v1/kitchen-1/status')],
  ['a topic that only begins like it', publish(1, '{}', `${TOPIC}/x`)],
  ['a topic that is shorter', publish(1, '{}', 'v1/kitchen-1/reading')],
  ['QoS 0', publish(0, '{}', TOPIC, { qos: 0 })],
  ['QoS 2', publish(1, '{}', TOPIC, { qos: 2 })],
  ['a packet that is no PUBLISH', generate({ cmd: 'pingreq' })],
  [
    'packet identifier 0 [MQTT-2.3.1-1]',
    Buffer.concat([Buffer.from([0x32, topicBytes(TOPIC).length + 2]), topicBytes(TOPIC), Buffer.alloc(2)]),
  ],
  [
    'a PUBLISH too short for its identifier',
    Buffer.concat([Buffer.from([0x32, topicBytes(TOPIC).length]), topicBytes(TOPIC)]),
  ],
])('is none of its business: %s', (_, packet) => {
  const before = publish(7, '{"metrics":{}}')
  const split = splitPublishes(Buffer.concat([before, packet]), topicBytes(TOPIC))
  expect(split.publishes.map(({ id }) => id)).toEqual([7])
  expect(split).toMatchObject({ end: before.length, next: 'something else' })
})

test.each([{ dup: true }, { retain: true }, { dup: true, retain: true }])('takes %o', (flags) => {
  const split = splitPublishes(publish(9, 'x', TOPIC, flags), topicBytes(TOPIC))
  expect(split.publishes.map(({ id, payload }) => [id, payload.toString()])).toEqual([[9, 'x']])
})

test('acknowledges in order, as MQTT writes it', () => {
  const ids = [1, 258, 65_535]
  const expected = ids.map((messageId) => generate({ cmd: 'puback', messageId }))
  expect(pubacks(ids.map((id) => ({ id, payload: Buffer.alloc(0) })))).toEqual(Buffer.concat(expected))
})

/** A signed-in connection over a stream that is fed by hand, read as aedes reads. */
function rig(
  take: (publishes: readonly Publish[]) => Promise<void>,
  { drainTimeout = 1000, isFull = false } = {},
) {
  const stream = new PassThrough()
  const written: Buffer[] = []
  const duplex = Object.assign(stream, {
    write: (bytes: Buffer) => {
      written.push(bytes)
      return !isFull
    },
  })
  const feed = PassThrough.prototype.write.bind(stream)
  const connection = new Connection(
    duplex,
    'here',
    null,
    1_000_000,
    (_, publishes) => take(publishes),
    drainTimeout,
  )
  connection.guard()
  const forAedes: Buffer[] = []
  stream.on('readable', () => {
    const chunk = stream.read() as Buffer | null
    if (chunk !== null) forAedes.push(chunk)
  })
  return { connection, feed, forAedes, written }
}

/** Until nothing moves any more: streams and promises take a few turns. */
async function settle(): Promise<void> {
  for (let i = 0; i < 6; i++) await turn()
}

test('however a stream of packets is cut, readings go to the intake in order and aedes gets all the rest unchanged', async () => {
  const packet = fc.oneof(
    {
      weight: 4,
      arbitrary: fc.tuple(
        fc.constant('readings'),
        fc.integer({ min: 1, max: 65_535 }),
        fc.string({ maxLength: 300 }),
      ),
    },
    fc.tuple(fc.constant('status'), fc.integer({ min: 1, max: 65_535 }), fc.string({ maxLength: 20 })),
    fc.tuple(fc.constant('large'), fc.integer({ min: 1, max: 65_535 }), fc.constant('x'.repeat(20_000))),
    fc.tuple(fc.constant('ping'), fc.constant(0), fc.constant('')),
  )
  const bytesOf = ([kind, id, payload]: readonly [string, number, string]): Buffer => {
    if (kind === 'ping') return generate({ cmd: 'pingreq' })
    return publish(id, payload, kind === 'status' ? 'v1/kitchen-1/status' : TOPIC)
  }
  await fc.assert(
    fc.asyncProperty(
      fc.array(packet, { maxLength: 12 }),
      fc.array(fc.integer({ min: 1, max: 9000 }), { minLength: 1, maxLength: 8 }),
      async (packets, cuts) => {
        const taken: Publish[] = []
        const { connection, feed, forAedes, written } = rig(async (publishes) => {
          await turn()
          taken.push(...publishes.map(({ id, payload }) => ({ id, payload: Buffer.from(payload) })))
        })
        feed(CONNECT)
        await settle()
        connection.peer = new Peer({ type: 'device', device: 'kitchen-1' }, new Allowance(1e9, 0))
        connection.isOpen = true
        const stream = Buffer.concat(packets.map(bytesOf))
        for (let at = 0, cut = 0; at < stream.length; cut++) {
          const size = cuts[cut % cuts.length]!
          feed(stream.subarray(at, at + size))
          at += size
          if (cut % 2 === 0) await settle()
        }
        for (let i = 0; i < 3 * packets.length; i++) await settle()
        // What aedes gets is whole packets, in order; what it does not get was taken. A large one may go either way.
        const rest = Buffer.concat(forAedes).subarray(CONNECT.length)
        let at = 0
        let next = 0
        for (const one of packets) {
          const bytes = bytesOf(one)
          const [kind, id, payload] = one
          if (
            rest.subarray(at, at + bytes.length).equals(bytes) &&
            !(kind === 'readings' && isNext(taken[next], id, payload))
          ) {
            at += bytes.length
            continue
          }
          expect(taken[next]).toEqual({ id, payload: Buffer.from(payload) })
          next++
        }
        expect([at, next]).toEqual([rest.length, taken.length])
        expect(Buffer.concat(written)).toEqual(pubacks(taken))
      },
    ),
    { numRuns: 150 },
  )
})

function isNext(taken: Publish | undefined, id: number, payload: string): boolean {
  return taken?.id === id && taken.payload.toString() === payload
}

test('while readings are under way nothing more is read, and nothing is acknowledged when they fail', async () => {
  const failed = Promise.withResolvers<void>()
  const { connection, feed, forAedes, written } = rig(() => failed.promise)
  feed(CONNECT)
  await settle()
  connection.peer = new Peer({ type: 'device', device: 'kitchen-1' }, new Allowance(1e9, 0))
  connection.isOpen = true
  feed(Buffer.concat([publish(1, 'a'), generate({ cmd: 'pingreq' })]))
  await settle()
  feed(generate({ cmd: 'disconnect' }))
  await settle()
  expect(Buffer.concat(forAedes)).toEqual(CONNECT)
  connection.stream.on('error', () => {})
  failed.reject(new Error('the disk is full'))
  await settle()
  expect(written).toEqual([])
  expect(connection.stream.destroyed).toBe(true)
})

test('before the CONNACK everything is for aedes', async () => {
  const { connection, feed, forAedes } = rig(() => Promise.reject(new Error('taken too early')))
  feed(CONNECT)
  await settle()
  connection.peer = new Peer({ type: 'device', device: 'kitchen-1' }, new Allowance(1e9, 0))
  feed(publish(1, 'a'))
  await settle()
  expect(Buffer.concat(forAedes)).toEqual(Buffer.concat([CONNECT, publish(1, 'a')]))
})

test('who leaves his acknowledgements unread is read no further, and dropped after the drain time', async () => {
  const { connection, feed, forAedes } = rig(() => Promise.resolve(), { drainTimeout: 30, isFull: true })
  feed(CONNECT)
  await settle()
  connection.peer = new Peer({ type: 'device', device: 'kitchen-1' }, new Allowance(1e9, 0))
  connection.isOpen = true
  const dropped = once(connection.stream, 'error')
  feed(publish(1, 'a'))
  await settle()
  feed(generate({ cmd: 'pingreq' }))
  expect(await dropped).toMatchObject([{ message: 'leaves its acknowledgements unread' }])
  expect(Buffer.concat(forAedes)).toEqual(CONNECT)
})

test.each<[string, Buffer[], Buffer]>([
  ['nothing more', [publish(1, 'a')], CONNECT],
  [
    'a DISCONNECT',
    [publish(1, 'a'), generate({ cmd: 'disconnect' })],
    Buffer.concat([CONNECT, generate({ cmd: 'disconnect' })]),
  ],
])(
  'who ends while readings are under way, with %s behind them, is answered and then ended',
  async (_, packets, heard) => {
    const taken = Promise.withResolvers<void>()
    const { connection, feed, forAedes, written } = rig(() => taken.promise)
    feed(CONNECT)
    await settle()
    connection.peer = new Peer({ type: 'device', device: 'kitchen-1' }, new Allowance(1e9, 0))
    connection.isOpen = true
    let ended = false
    connection.stream.on('end', () => (ended = true))
    feed(Buffer.concat(packets))
    await settle()
    connection.stream.end()
    await settle()
    expect(ended).toBe(false)
    taken.resolve()
    await settle()
    expect(Buffer.concat(written)).toEqual(pubacks([{ id: 1, payload: Buffer.alloc(0) }]))
    expect(Buffer.concat(forAedes)).toEqual(heard)
    // aedes reads on when it has dealt with what it got.
    connection.stream.read()
    await settle()
    expect(ended).toBe(true)
  },
)
