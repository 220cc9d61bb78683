import { copyFileSync, readdirSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import type { MqttClient } from 'mqtt'
import { afterEach, describe, expect, test } from 'vitest'
import { JournalUnavailable, type Outcome } from '../model/pipeline.ts'
import { BrokerRig, closed, connectBytes, publishBytes, until } from './broker-rig.ts'

let rig: BrokerRig
afterEach(() => rig.stop())

const taken: Outcome = { accepted: 1, duplicates: 0, refused: [] }
const reading = '{"metrics":{"fume":1.5}}'

/** An intake that answers when it is told to. */
function held(): { release: () => void; fail: () => void } {
  const waiting: { resolve: (outcome: Outcome) => void; reject: (error: Error) => void }[] = []
  rig.answer = () => new Promise((resolve, reject) => waiting.push({ resolve, reject }))
  return {
    release: () => waiting.splice(0).forEach(({ resolve }) => resolve(taken)),
    fail: () => waiting.splice(0).forEach(({ reject }) => reject(new JournalUnavailable('disk full'))),
  }
}

/** QoS that was granted to each filter, 128 where refused. */
async function granted(client: MqttClient, filters: string[], qos: 0 | 1 = 1): Promise<number[]> {
  return new Promise((resolve, reject) => {
    client.subscribe(filters, { qos }, (error, _, packet) => {
      if (packet === undefined) reject(error ?? new Error('no SUBACK'))
      else resolve(packet.granted as number[])
    })
  })
}

describe('acknowledge after durable', () => {
  test.each([1, 2] as const)('a QoS %i reading is acknowledged only after its commit', async (qos) => {
    rig = await new BrokerRig().start()
    const gate = held()
    const device = await rig.connect('fume-1')
    let acknowledged = false
    const done = device.publishAsync('v1/fume-1/readings', reading, { qos }).then(() => (acknowledged = true))
    await until(() => rig.accepted.length === 1, 'the reading reaches the intake')
    await new Promise((resolve) => setTimeout(resolve, 30))
    expect(acknowledged).toBe(false)
    gate.release()
    await done
    expect(rig.accepted[0]).toMatchObject({ device: 'fume-1' })
    expect(Buffer.from(rig.accepted[0]!.payload as Uint8Array).toString()).toBe(reading)
  })

  test('a QoS 2 redelivery is answered again but taken once', async () => {
    rig = await new BrokerRig().start()
    rig.users.set('crew', { role: 'team', street: null, team: 't1' })
    const socket = await rig.socket(connectBytes('crew'))
    const received: Buffer[] = []
    socket.on('data', (chunk: Buffer) => received.push(chunk))
    const bytes = () => Buffer.concat(received).subarray(4).toString('hex')
    socket.write(publishBytes('dispatch/t1/actions', '{}', 7, 0x34))
    await until(() => bytes() === '50020007', 'PUBREC')
    socket.write(publishBytes('dispatch/t1/actions', '{}', 7, 0x3c))
    await until(() => bytes() === '5002000750020007', 'PUBREC again')
    socket.write(Buffer.of(0x62, 2, 0, 7))
    await until(() => bytes().endsWith('70020007'), 'PUBCOMP')
    expect(rig.actions).toEqual(['crew {}'])
  })

  test('a QoS 2 message whose PUBREL never comes leaves only its number behind', async () => {
    rig = await new BrokerRig().start()
    const device = await rig.connect('fume-1', { clientId: 'keeps', clean: false })
    const text = JSON.stringify({ metrics: { fume: 1 }, filler: 'x'.repeat(400_000) })
    const packets: string[] = []
    device.on('packetreceive', ({ cmd }) => packets.push(cmd))
    // The library would answer with PUBREL at once.
    device.on('packetsend', ({ cmd }) => cmd === 'pubrel' && device.stream.destroy())
    device.publish('v1/fume-1/readings', text, { qos: 2 })
    await until(() => packets.includes('pubrec'), 'PUBREC')
    expect(Buffer.from(rig.accepted[0]!.payload as Uint8Array).toString()).toBe(text)
    const kept = readdirSync(rig.folder).map((name) => statSync(join(rig.folder, name)).size)
    expect(Math.max(...kept)).toBeLessThan(400_000)
  })

  test('a QoS 0 reading and a will on readings go through the intake too', async () => {
    rig = await new BrokerRig().start()
    const will = {
      topic: 'v1/fume-1/readings',
      payload: Buffer.from('{"w":1}'),
      qos: 1,
      retain: false,
    } as const
    const device = await rig.connect('fume-1', { will })
    await device.publishAsync('v1/fume-1/readings', reading, { qos: 0 })
    await until(() => rig.accepted.length === 1, 'the QoS 0 reading')
    device.stream.destroy()
    await until(() => rig.accepted.length === 2, 'the will')
  })

  test('when the journal cannot take it nothing is acknowledged and the connection closes', async () => {
    rig = await new BrokerRig().start()
    const gate = held()
    const socket = await rig.socket(connectBytes('fume-1'))
    const received: Buffer[] = []
    socket.on('data', (chunk: Buffer) => received.push(chunk))
    await until(() => received.length === 1, 'CONNACK')
    socket.write(publishBytes('v1/fume-1/readings', reading))
    await until(() => rig.accepted.length === 1, 'the reading reaches the intake')
    gate.fail()
    await closed(socket)
    expect(Buffer.concat(received)).toEqual(Buffer.from([0x20, 2, 0, 0]))
  })

  test('stopping answers what is under way', async () => {
    rig = await new BrokerRig().start()
    const gate = held()
    const device = await rig.connect('fume-1')
    const done = device.publishAsync('v1/fume-1/readings', reading, { qos: 1 })
    await until(() => rig.accepted.length === 1, 'the reading reaches the intake')
    const stopped = rig.broker.stop()
    gate.release()
    await done
    await stopped
  })

  test('refused readings come back on the errors topic, so many a second and then a count', async () => {
    rig = await new BrokerRig().start()
    const device = await rig.connect('fume-1')
    const messages = rig.heard(device)
    await granted(device, ['v1/fume-1/errors'])
    const raw = Buffer.from('{"metrics":{"x":1}}')
    const refusal = {
      device: 'fume-1',
      code: 'unknown_metric' as const,
      message: 'no metric x',
      raw,
      rawSize: raw.length,
    }
    rig.answer = (message) =>
      Promise.resolve({
        ...taken,
        refused: Array.from({ length: 25 }, () => ({ ...refusal, receivedAt: message.receivedAt })),
      })
    await device.publishAsync('v1/fume-1/readings', raw, { qos: 1 })
    await until(() => messages.length === 11, 'ten errors and a note')
    expect(messages[0]).toBe(
      'v1/fume-1/errors {"code":"unknown_metric","message":"no metric x","reading":{"metrics":{"x":1}}}',
    )
    expect(messages[10]).toContain('"left_out","message":"15 more')
  })
})

describe('rights', () => {
  test('a topic that is not its own closes the connection before it is acknowledged', async () => {
    rig = await new BrokerRig().start()
    rig.users.set('crew', { role: 'team', street: null, team: 't1' })
    for (const [name, topic] of [
      ['fume-1', 'v1/fume-2/readings'],
      ['fume-1', 'v1/fume-10/readings'],
      ['fume-1', 'dispatch/t1/actions'],
      ['fume-1', '$SYS/x'],
      ['crew', 'dispatch/t2/actions'],
      ['crew', 'dispatch/t1/orders/c1'],
      ['crew', 'alarms/xuetian/fume-1'],
    ] as const) {
      const client = await rig.connect(name)
      const gone = closed(client)
      client.publish(topic, 'x', { qos: 1 }, (error) => expect(error).toBeTruthy())
      await gone
    }
    expect(rig.accepted).toEqual([])
    expect(rig.actions).toEqual([])
  })

  test('an unknown topic below its own prefix is acknowledged into the quarantine', async () => {
    rig = await new BrokerRig().start()
    const device = await rig.connect('fume-1')
    await device.publishAsync('v1/fume-1/reading', reading, { qos: 1 })
    await device.publishAsync('v1/fume-1/commands', '{}', { qos: 2 })
    expect(rig.refused).toEqual([
      { device: 'fume-1', code: 'unknown_topic', raw: reading },
      { device: 'fume-1', code: 'unknown_topic', raw: '{}' },
    ])
  })

  test('a device says how a command went, a team what it did', async () => {
    rig = await new BrokerRig().start()
    rig.users.set('crew', { role: 'team', street: null, team: 't1' })
    const device = await rig.connect('speaker-1')
    await device.publishAsync('v1/speaker-1/commands/c-7/result', '{"ok":true}', { qos: 1 })
    expect(rig.results).toEqual(['speaker-1 c-7 {"ok":true}'])
    await device.publishAsync('v1/speaker-1/commands/unsent/result', '{"ok":true}', { qos: 1 })
    expect(rig.refused).toEqual([{ device: 'speaker-1', code: 'unknown_topic', raw: '{"ok":true}' }])
    const team = await rig.connect('crew')
    await team.publishAsync('dispatch/t1/actions', '{"action":"accept"}', { qos: 2 })
    expect(rig.actions).toEqual(['crew {"action":"accept"}'])
  })

  test('a connection by a token is bound to it: it may only read, and ends with it while others stay', async () => {
    rig = await new BrokerRig().start()
    rig.users.set('crew', { role: 'team', street: null, team: 't1' })
    rig.grants.set('reads', { token: 'id-1', readOnly: true })
    rig.grants.set('acts', { token: 'id-2', readOnly: false })
    const own = await rig.connect('crew')
    const acts = await rig.connect('crew', { password: 'acts' })
    const reads = await rig.connect('crew', { password: 'reads' })
    await reads.subscribeAsync('dispatch/t1/#')
    await acts.publishAsync('dispatch/t1/actions', '1', { qos: 1 })
    const cutOff = closed(reads)
    reads.publish('dispatch/t1/actions', '2', { qos: 1 }, (error) => expect(error).toBeTruthy())
    await cutOff
    const will = { topic: 'dispatch/t1/actions', payload: Buffer.from('3'), qos: 1, retain: false } as const
    expect(await rig.refusal('crew', { password: 'reads', will })).toBe(5)
    expect(await rig.refusal('crew', { password: 'expired' })).toBe(5)
    expect(rig.actions).toEqual(['crew 1'])
    const revoked = closed(acts)
    rig.broker.endGrant('id-2')
    await revoked
    await own.publishAsync('dispatch/t1/actions', '4', { qos: 1 })
    expect(rig.actions).toEqual(['crew 1', 'crew 4'])
  })

  test('a filter wider than the right is refused by itself, the others are granted', async () => {
    rig = await new BrokerRig().start()
    const device = await rig.connect('fume-1', { clean: false, clientId: 'a' })
    const filters = [
      'v1/fume-1/commands',
      'v1/fume-1/#',
      'v1/+/commands',
      '#',
      '$SYS/#',
      '$share/g/v1/fume-1/commands',
    ]
    expect(await granted(device, filters)).toEqual([1, 128, 128, 128, 128, 128])
    const messages = rig.heard(device)
    await rig.broker.publish('v1/fume-2/commands', 'not yours', { qos: 1, retain: true })
    await rig.broker.publish('v1/fume-1/commands', 'yours', { qos: 1, retain: false })
    await until(() => messages.length === 1, 'the command')
    expect(messages).toEqual(['v1/fume-1/commands yours'])
  })

  test('a will that would be refused as a publish is refused at sign-in', async () => {
    rig = await new BrokerRig().start()
    const will = {
      topic: 'v1/fume-2/status',
      payload: Buffer.from('{"online":false}'),
      qos: 1,
      retain: true,
    } as const
    expect(await rig.refusal('fume-1', { will })).toBe(5)
    expect(await rig.refusal('fume-1', { will: { ...will, topic: 'alarms/+/#' } })).toBe(5)
  })

  test('what follows a CONNECT is not looked at before sign-in has succeeded', async () => {
    rig = await new BrokerRig().start()
    // In one chunk it waits for the sign-in; in the next one aedes would handle it at once.
    await rig.socket(Buffer.concat([connectBytes('fume-1'), publishBytes('v1/fume-1/readings', reading)]))
    await until(() => rig.accepted.length === 1, 'the pipelined reading')
    const wrong = connectBytes('fume-2')
    wrong.write('wrong!', wrong.length - 6)
    const socket = await rig.socket()
    const gone = closed(socket)
    socket.write(wrong)
    await new Promise((resolve) => setImmediate(resolve))
    socket.write(publishBytes('v1/fume-2/readings', reading))
    await gone
    expect(rig.accepted).toHaveLength(1)
  })

  test('the expelled are gone, and their sessions with them', async () => {
    rig = await new BrokerRig().start()
    const device = await rig.connect('fume-1', { clientId: 'a', clean: false })
    await granted(device, ['v1/fume-1/commands'])
    const gone = closed(device)
    expect([...rig.broker.retainedTopics('v1/+/status')]).toEqual(['v1/fume-1/status'])
    await rig.broker.expel('device', 'fume-1', true)
    await gone
    expect([...rig.broker.retainedTopics('v1/+/status')]).toEqual([])
    await rig.broker.publish('v1/fume-1/commands', 'for the old one', { qos: 1, retain: false })
    const next = await rig.connect('fume-1', { clientId: 'a', clean: false })
    const messages = rig.heard(next)
    await granted(next, ['v1/fume-1/commands'])
    await rig.broker.publish('v1/fume-1/commands', 'for the new one', { qos: 1, retain: false })
    await until(() => messages.length > 0, 'a command')
    expect(messages).toEqual(['v1/fume-1/commands for the new one'])
  })
})

/** From here on what is retained fails at its COMMIT, as on a full disk, and takes its turn's other changes along. */
function failToRetain(): DatabaseSync {
  const file = new DatabaseSync(join(rig.folder, 'sessions.db'))
  file.exec(`CREATE TABLE here (id INTEGER PRIMARY KEY);
    CREATE TABLE there (id INTEGER REFERENCES here (id) DEFERRABLE INITIALLY DEFERRED);
    CREATE TRIGGER fail AFTER INSERT ON retained BEGIN INSERT INTO there VALUES (1); END`)
  return file
}

describe('a sessions file that cannot be written', () => {
  test('an order is not said to be retained, and is once the file takes it', async () => {
    rig = await new BrokerRig().start()
    const file = failToRetain()
    const publish = () => rig.broker.publish('dispatch/t1/orders/c1', 'open', { qos: 1, retain: true })
    await expect(publish()).rejects.toThrow('FOREIGN KEY')
    expect([...rig.broker.retainedTopics('dispatch/#')]).toEqual([])
    file.exec('DROP TRIGGER fail')
    file.close()
    await publish()
    expect([...rig.broker.retainedTopics('dispatch/#')]).toEqual(['dispatch/t1/orders/c1'])
  })

  test('readings are taken and refused as before, and nothing ends the gateway', async () => {
    rig = await new BrokerRig().start()
    const device = await rig.connect('fume-1')
    await granted(device, ['v1/fume-1/errors'])
    const messages = rig.heard(device)
    failToRetain().close()
    const raw = Buffer.from(reading)
    const refusal = {
      device: 'fume-1',
      code: 'unknown_metric' as const,
      message: 'no',
      raw,
      rawSize: raw.length,
    }
    const lost: Promise<unknown>[] = []
    rig.answer = async ({ receivedAt }) => {
      // In the turn of the event loop in which the error is reported.
      const order = rig.broker.publish('dispatch/t1/orders/c1', 'open', { qos: 1, retain: true })
      lost.push(order.catch((error: unknown) => error))
      return { ...taken, refused: [{ ...refusal, receivedAt }] }
    }
    for (let i = 0; i < 3; i++) await device.publishAsync('v1/fume-1/readings', reading, { qos: 1 })
    await until(() => messages.length === 3, 'the errors')
    for (const error of await Promise.all(lost)) expect(String(error)).toContain('FOREIGN KEY')
    expect(rig.broker.health().ready).toBe(true)
  })

  test('who comes and goes is known all the same', async () => {
    rig = await new BrokerRig().start()
    failToRetain().close()
    const device = await rig.connect('fume-1', { clean: false, clientId: 'a' })
    await device.endAsync()
    await until(() => rig.statuses.length === 2, 'both changes')
    expect(rig.statuses).toEqual(['fume-1 online', 'fume-1 offline'])
  })
})

describe('sessions', () => {
  test('retained orders, waiting messages and subscriptions survive a restart; an empty payload clears', async () => {
    rig = await new BrokerRig().start()
    rig.users.set('crew', { role: 'team', street: null, team: 't1' })
    const before = await rig.connect('crew', { clientId: 'tablet', clean: false })
    await granted(before, ['dispatch/t1/#'])
    await before.endAsync()
    await rig.broker.publish('dispatch/t1/orders/c1', 'open', { qos: 1, retain: true })
    await rig.broker.publish('dispatch/t1/orders/c2', 'open', { qos: 1, retain: true })
    await rig.broker.publish('dispatch/t1/orders/c2', '', { qos: 1, retain: true })
    await rig.restart()
    const after = await rig.connect('crew', { clientId: 'tablet', clean: false })
    const messages = rig.heard(after)
    await until(() => messages.length === 3, 'what waited')
    expect(messages).toEqual([
      'dispatch/t1/orders/c1 open',
      'dispatch/t1/orders/c2 open',
      'dispatch/t1/orders/c2 ',
    ])
    await after.endAsync()
    const fresh = await rig.connect('crew')
    const retained = rig.heard(fresh)
    await granted(fresh, ['dispatch/t1/orders/+'])
    await until(() => retained.length === 1, 'the retained order')
    expect(retained).toEqual(['retained dispatch/t1/orders/c1 open'])
  })

  test('a message that is retained first is not overtaken, and so not lost, for whoever hears others too', async () => {
    rig = await new BrokerRig().start()
    rig.users.set('crew', { role: 'team', street: null, team: 't1' })
    const crew = await rig.connect('crew')
    await crew.subscribeAsync('dispatch/t1/#', { qos: 1 })
    const sent = Array.from({ length: 50 }, (_, i) => [
      `dispatch/t1/orders/c${i} open`,
      `dispatch/t1/results ${i}`,
    ]).flat()
    await Promise.all(
      sent.map((message) => {
        const [topic = '', payload = ''] = message.split(' ')
        return rig.broker.publish(topic, payload, { qos: 1, retain: topic.includes('/orders/') })
      }),
    )
    await until(() => rig.heard(crew).length === sent.length, 'all of them')
    expect(rig.heard(crew)).toEqual(sent)
  })

  test('after a crash nobody is online and the wills of those who were are sent', async () => {
    const crashed = await new BrokerRig().start()
    const will = {
      topic: 'v1/fume-1/readings',
      payload: Buffer.from('{"w":1}'),
      qos: 1,
      retain: false,
    } as const
    await crashed.connect('fume-1', { will })
    await until(() => crashed.broker.connections() === 1, 'sign-in')
    rig = new BrokerRig()
    // What a killed process leaves behind.
    for (const file of readdirSync(crashed.folder))
      copyFileSync(join(crashed.folder, file), join(rig.folder, file))
    await crashed.stop()
    await rig.start()
    expect(rig.statuses).toEqual(['fume-1 offline'])
    expect(rig.accepted.map(({ device, payload }) => `${device} ${payload.toString()}`)).toEqual([
      'fume-1 {"w":1}',
    ])
    await rig.restart()
    expect(rig.accepted).toHaveLength(1)
  })

  test('the same client id takes over; one of somebody else is another session', async () => {
    rig = await new BrokerRig().start()
    const first = await rig.connect('fume-1', { clientId: 'same' })
    const other = await rig.connect('fume-2', { clientId: 'same' })
    const gone = closed(first)
    await rig.connect('fume-1', { clientId: 'same' })
    await gone
    expect(other.connected).toBe(true)
    expect(rig.broker.connections()).toBe(2)
    expect(rig.statuses).toEqual(['fume-1 online', 'fume-2 online'])
  })

  test('a sign-in that fails takes over nothing', async () => {
    rig = await new BrokerRig().start()
    const device = await rig.connect('fume-1', { clientId: 'same' })
    expect(await rig.refusal('fume-1', { clientId: 'same', password: 'wrong' })).toBe(4)
    await device.publishAsync('v1/fume-1/readings', reading, { qos: 1 })
    expect(rig.accepted).toHaveLength(1)
  })

  test.each([
    ['mosq-Ab12Cd', 'connected'],
    ['mqttjs_1f2e3d', 'connected'],
    ['paho/1234567890', 'connected'],
    ['', 'connected'],
    ['a+b', 2],
    ['a/#', 2],
    ['$SYS', 2],
    ['a\u0007b', 2],
    ['a b', 2],
    ['x'.repeat(129), 2],
  ] as const)('client id %j: %s', async (clientId, expected) => {
    rig = await new BrokerRig().start()
    expect(await rig.refusal('fume-1', { clientId })).toBe(expected)
  })

  test.each(['', 'fume-1/x', '+', '#', '..', 'gateway'])(
    'user name %j is never even looked up',
    async (name) => {
      rig = await new BrokerRig().start()
      expect(await rig.refusal(name)).toBe(4)
      expect(rig.signIns).toEqual([])
    },
  )
})

describe('status', () => {
  test('a device is online from sign-in until its last connection closes, will or no will', async () => {
    rig = await new BrokerRig().start()
    const one = await rig.connect('fume-1', { clientId: 'one' })
    const will = {
      topic: 'v1/fume-1/status',
      payload: Buffer.from('{"online":false}'),
      qos: 1,
      retain: true,
    } as const
    const two = await rig.connect('fume-1', { clientId: 'two', will })
    two.stream.destroy()
    await until(() => rig.broker.connections() === 1, 'one connection left')
    expect(rig.statuses).toEqual(['fume-1 online'])
    one.stream.destroy()
    await until(() => rig.statuses.length === 2, 'offline')
    expect(rig.statuses[1]).toBe('fume-1 offline')
  })

  test('its word counts, the last state is retained, and nonsense goes to the quarantine', async () => {
    rig = await new BrokerRig().start()
    rig.users.set('root', { role: 'admin', street: null, team: null })
    const device = await rig.connect('fume-1')
    await device.publishAsync('v1/fume-1/status', '{"online":false}', { qos: 1 })
    for (const bad of [
      '',
      'online',
      '{"online":1}',
      '[]',
      'null',
      `{"online":true,"x":"${'x'.repeat(2000)}"}`,
    ]) {
      await device.publishAsync('v1/fume-1/status', bad, { qos: 1 })
    }
    expect(rig.refused.map(({ code }) => code)).toEqual([
      'bad_json',
      'bad_json',
      'bad_type',
      'bad_type',
      'bad_type',
      'too_large',
    ])
    expect(rig.statuses).toEqual(['fume-1 online', 'fume-1 offline'])
    const admin = await rig.connect('root')
    const messages = rig.heard(admin)
    await granted(admin, ['v1/+/status'])
    await until(() => messages.length === 1, 'the retained status')
    expect(messages).toEqual(['retained v1/fume-1/status {"online":false}'])
  })
})
