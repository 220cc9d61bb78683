/** Speak first and second looks over real sockets: loudspeakers and a drone that hear commands and answer, and kills. */
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import type { MqttClient } from 'mqtt'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { Case } from '../../gateway/model/case.ts'
import { all, register, signIn } from '../device.ts'
import { eventually, GatewayProcess } from '../gateway-process.ts'

const RULES = fileURLToPath(new URL('speak-rules', import.meta.url))
const CREW = 'tangzhazhen-crew'

interface Command {
  readonly id: string
  readonly command: string
  readonly args: Record<string, unknown>
}

const gateway = new GatewayProcess({ GW_RULES_DIR: RULES })
const secrets = new Map<string, string>()
/** What each device was told, every time. */
const heard = new Map<string, Command[]>()
/** Of this life of the gateway. */
let clients: MqttClient[] = []
afterAll(async () => {
  await leave()
  await gateway.dispose()
})

async function connect(name: string): Promise<MqttClient> {
  const client = await signIn(gateway, name, secrets.get(name)!, { clean: false })
  clients.push(client)
  return client
}

async function leave(): Promise<void> {
  for (const client of clients.splice(0)) await client.endAsync(true)
}

/** A device that hears its commands, and answers each with what is given. */
async function listener(id: string, answer?: object): Promise<void> {
  const client = await connect(id)
  const list = heard.get(id) ?? []
  heard.set(id, list)
  client.on('message', (topic, payload) => {
    const command = JSON.parse(payload.toString()) as Command
    list.push(command)
    if (answer !== undefined)
      client.publish(`${topic}/${command.id}/result`, JSON.stringify(answer), { qos: 1 })
  })
  await client.subscribeAsync(`v1/${id}/commands`, { qos: 1 })
}

/** A sensor and what hears commands at its site. */
async function site(name: string, kind = 'cooking_fume', other = 'loudspeaker'): Promise<void> {
  for (const [id, of] of [[name, kind] as const, [`${name}-hears`, other] as const])
    secrets.set(id, await register(gateway, { id, kind: of, site: name }))
}

async function measure(id: string, metrics: object): Promise<MqttClient> {
  const client = clients.find(({ options }) => options.username === id) ?? (await connect(id))
  await client.publishAsync(`v1/${id}/readings`, JSON.stringify({ metrics }), { qos: 1 })
  return client
}

async function caseAt(name: string): Promise<Case | undefined> {
  const { items } = await gateway.api<{ items: Case[] }>('GET', `/api/v1/cases?site=${name}`)
  return items[0]
}
const caseThat = (name: string, what: string, fits: (found: Case) => boolean) =>
  eventually(`a case at ${name} that ${what}`, async () => {
    const found = await caseAt(name)
    return found !== undefined && fits(found) ? found : undefined
  })
const called = (name: string) => caseThat(name, 'has its crew', ({ state }) => state === 'dispatched')
const told = ({ timeline }: Case) => timeline.map(({ action, note }) => `${action}: ${note}`)

/** What crews get on MQTT. */
const orders: string[] = []
beforeAll(async () => {
  await gateway.start()
  for (const name of ['answers', 'fails', 'silent', 'calm', 'waits', 'early', 'middle', 'late'])
    await site(name)
  await site('crowded', 'crowd_counter', 'drone')
  const user = { name: 'li-si', role: 'team', team: CREW }
  secrets.set('li-si', (await gateway.api<{ secret: string }>('POST', '/api/v1/users', user)).secret)
})

describe('over MQTT', () => {
  beforeAll(async () => {
    const crew = await connect('li-si')
    crew.on('message', (topic, payload) => {
      if (payload.length > 0) orders.push(topic)
    })
    await crew.subscribeAsync(`dispatch/${CREW}/#`, { qos: 1 })
    await listener('answers-hears', { ok: true })
    await listener('fails-hears', { ok: false, error: 'no power' })
    await listener('silent-hears')
    await listener('calm-hears', { ok: true })
    await listener('crowded-hears', { ok: true })
    for (const name of ['answers', 'fails', 'silent']) await measure(name, { fume: 3 })
  })

  test('a loudspeaker is told what to say; while it has an effect to wait for, nobody is sent', async () => {
    const found = await caseThat('answers', 'was spoken to', (one) => told(one).length >= 3)
    expect(heard.get('answers-hears')).toMatchObject([
      { command: 'say', args: { text: '请打开净化器 Switch the purifier on' } },
    ])
    expect(found).toMatchObject({ state: 'queued', team: null, pendingUntil: expect.any(Number) })
    expect(orders.filter((topic) => topic.endsWith(found.id))).toEqual([])
    const after = await called('answers')
    expect(told(after).slice(2)).toEqual([
      'speak_answered: answers-hears: ok',
      'crew_called: it still holds',
      'assign: null',
    ])
    const waited = after.timeline.at(-1)!.at - after.queuedAt
    expect(waited).toBeGreaterThanOrEqual(2000)
    await eventually('its order', () => orders.find((topic) => topic.endsWith(found.id)))
    expect(heard.get('answers-hears')).toHaveLength(1)
  })

  test('one that fails is not waited for', async () => {
    const found = await called('fails')
    expect(told(found)).toContain('speak_answered: fails-hears: failed: no power')
    expect(found.timeline.at(-1)!.at - found.queuedAt).toBeLessThan(2000)
  })

  test('the silence of one is noted, and the crew is sent', async () => {
    expect(told(await called('silent'))).toContain('speak_answered: silent-hears: no answer')
  })

  test('what ends within the wait is closed, and no crew ever hears of it', async () => {
    await measure('calm', { fume: 3 })
    // Its answer is noted whenever it comes, also in a case that has ended meanwhile.
    const isAnswered = (one: Case) => told(one).some((entry) => entry.startsWith('speak_answered'))
    const waiting = await caseThat('calm', 'waits, and was spoken to', isAnswered)
    expect(waiting.state).toBe('queued')
    await measure('calm', { fume: 0.1 })
    const found = await caseThat('calm', 'is closed', ({ state }) => state === 'closed')
    expect(found).toMatchObject({ closeCode: 'confirmed', team: null, teams: [] })
    expect(told(found).at(-1)).toBe('close: ended after speaking')
    expect(orders.filter((topic) => topic.endsWith(found.id))).toEqual([])
  })

  test('a drone is sent to look, its answer is in the timeline, and nobody waits for it', async () => {
    await measure('crowded', { people: 500 })
    const found = await caseThat('crowded', 'was looked at', (one) => told(one).length >= 4)
    expect(heard.get('crowded-hears')).toMatchObject([
      { command: 'fly_to', args: { height: 60, position: [120.8239, 32.0616] } },
    ])
    expect(told(found)).toContain('look: crowded-hears: fly_to')
    expect(told(found)).toContain('look_answered: crowded-hears: ok')
    expect(found).toMatchObject({ state: 'dispatched', pendingUntil: null })
  })

  test('the same actionId over HTTP and MQTT at one moment counts once, and both are told that it did', async () => {
    const crew = clients.find(({ options }) => options.username === 'li-si')!
    const results: { case: string; actor: string; ok: boolean; actionId: string }[] = []
    crew.on('message', (topic, payload) => {
      if (topic === `dispatch/${CREW}/results`) results.push(JSON.parse(payload.toString()))
    })
    const position = [120.8239, 32.0616]
    for (const name of ['answers', 'fails', 'silent']) {
      const { id } = await called(name)
      for (const action of ['accept', 'arrive', 'handle']) {
        const request = { action, actionId: `${name}-${action}`, position }
        const sent = JSON.stringify({ case: id, ...request })
        const [answer] = await Promise.all([
          gateway.request('POST', `/api/v1/cases/${id}/actions`, request, secrets.get('li-si')),
          crew.publishAsync(`dispatch/${CREW}/actions`, sent, { qos: 1 }),
        ])
        expect(answer.status).toBe(200)
        const result = await eventually('its result', () =>
          results.find((one) => one.actionId === request.actionId),
        )
        expect(result).toMatchObject({ case: id, ok: true, actor: 'li-si' })
      }
      const done = (await caseAt(name))!
      const theirs = done.timeline.filter(({ actor }) => actor === 'li-si').map(({ action }) => action)
      expect(theirs).toEqual(['accept', 'arrive', 'handle'])
    }
  })
})

describe('a kill', () => {
  /** After it everybody is there again, where they were. */
  async function kill(...names: readonly string[]): Promise<void> {
    await gateway.end('SIGKILL')
    await leave()
    await gateway.start()
    for (const name of names) await listener(`${name}-hears`)
  }

  async function nobodyIsForgotten(name: string): Promise<void> {
    const found = await called(name)
    expect(told(found).filter((one) => one.startsWith('crew_called')).length).toBeLessThanOrEqual(1)
    const said = heard.get(`${name}-hears`)!
    expect(said.length).toBeLessThanOrEqual(2)
    expect(new Set(said.map(({ id }) => id)).size).toBeLessThanOrEqual(1)
    expect(await all<Case>(gateway, `/api/v1/cases?site=${name}`)).toHaveLength(1)
  }

  test('while the loudspeaker is waited for, and just before the command goes out: it hears at most once more, and the crew is called', async () => {
    for (const name of ['waits', 'early']) await listener(`${name}-hears`)
    await connect('early')
    await measure('waits', { fume: 3 })
    await eventually('what it says', () => heard.get('waits-hears')![0])
    await measure('early', { fume: 3 })
    await kill('waits', 'early')
    for (const name of ['waits', 'early']) await nobodyIsForgotten(name)
  })

  test('about when the command goes out, and just after: the same', async () => {
    for (const name of ['middle', 'late']) await listener(`${name}-hears`)
    await connect('middle')
    await measure('late', { fume: 3 })
    await sleep(10)
    await measure('middle', { fume: 3 })
    await sleep(3)
    await kill('middle', 'late')
    for (const name of ['middle', 'late']) await nobodyIsForgotten(name)
  })
})
