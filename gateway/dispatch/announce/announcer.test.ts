import { setTimeout as sleep } from 'node:timers/promises'
import * as fc from 'fast-check'
import { pino } from 'pino'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { loadDistrict } from '../../district/district.ts'
import type { Rule } from '../../model/rule.ts'
import { noted } from '../life.ts'
import { admin, alarm, crew, device, MINUTE, NOON, rule, simulatedDevice, Stage } from '../test-stage.ts'
import { rangesOf } from './addresses.ts'
import { Announcer, type Wish } from './announcer.ts'
import { Pace, retryAfter } from './pace.ts'
import { Receiver, verified } from './receiver.fixture.ts'

const SECRET = 'whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw'

let stage: Stage
let announcer: Announcer
let receiver: Receiver
const others: { stop(): Promise<void> }[] = []

function announcerOf(of: Stage, callsForSimulated = false): Announcer {
  const made = new Announcer({
    database: of.database,
    district: loadDistrict(),
    clock: of.clock,
    log: pino({ level: 'silent' }),
    callsForSimulated,
    consoleUrl: 'https://grid.example.cn',
    allowed: rangesOf(['127.0.0.0/8']),
    allowHttp: true,
  })
  made.watch(of.queue)
  return made
}

beforeEach(async () => {
  stage = new Stage()
  // Signatures are checked against the time of the test.
  stage.clock.time = Date.now()
  announcer = announcerOf(stage)
  await announcer.start()
  receiver = await new Receiver().start()
})
afterEach(async () => {
  await announcer.stop()
  for (const other of others.splice(0).toReversed()) await other.stop()
  await receiver.stop()
  await stage.close()
})

async function another(): Promise<Receiver> {
  const made = await new Receiver().start()
  others.push(made)
  return made
}

function subscribe(wish: Partial<Wish> = {}, by = announcer): string {
  const secret = (wish.type ?? 'webhook') === 'webhook' ? SECRET : null
  const made = by.create({ type: 'webhook', url: `${receiver.url}/hook`, secret, ...wish }, 'li', () => {})
  return made.subscription.id
}
const robot = (more: Partial<Wish> = {}, to = receiver) =>
  subscribe({ type: 'wecom', url: `${to.url}/cgi-bin/webhook/send?key=K`, ...more })

/** Opens so many cases, each at a site of its own, as one batch of the judge does. */
function open(count: number, from = 0, of = stage): void {
  of.database.derive(() => {
    for (let number = from; number < from + count; number++) {
      const startedAt = of.clock.now()
      of.queue.record(alarm({ id: `alarm-${number}`, site: `site-${number}`, startedAt }), rule, startedAt)
    }
  })
}

async function until(what: () => boolean): Promise<void> {
  for (let tries = 0; !what(); tries++) {
    if (tries > 400) throw new Error(`not within 4 s: ${what.toString()}`)
    await sleep(10)
  }
}

/** Nothing that would be sent by itself is still to come. */
const quiet = () => sleep(60)
const events = (of = receiver) => of.received.map((received) => verified(received, SECRET))
const typesOf = (of = receiver) => events(of).map(({ type }) => type.split('.').at(-1))

describe('a case that waits for its loudspeaker', () => {
  const speaking: Rule = { ...rule, dispatch: { ...rule.dispatch!, speak: { text: 'stop', wait: '3m' } } }
  const at = () => stage.clock.now()
  let id: string
  let team: Receiver
  beforeEach(async () => {
    stage.others = [{ ...device, id: 'speaker-1', kind: 'loudspeaker' }]
    stage.queue.secondLook.commandThrough({
      send: async () => ({ type: 'sent', id: '', expires: 0 }),
      isReachable: () => true,
      isEnding: () => false,
    })
    team = await another()
    subscribe()
    subscribe({ url: `${team.url}/hook`, filter: { teams: ['tangzhazhen-crew'] } })
    stage.queue.record(alarm({ startedAt: at() }), speaking, at())
    id = stage.alarms.get(alarm().id)!.case!
  })

  test('is told to nobody before its crew is called, then as a new one, as bad as it is by then', async () => {
    await quiet()
    expect(receiver.received).toEqual([])
    stage.queue.record(alarm({ startedAt: at(), severity: 'red' }), speaking, at())
    await until(() => team.received.length === 1)
    await quiet()
    for (const to of [receiver, team]) {
      expect(typesOf(to)).toEqual(['opened'])
      const { data } = JSON.parse(to.received[0]!.body) as { data: { case: object } }
      expect(data.case).toMatchObject({ id, severity: 'red', team: 'tangzhazhen-crew' })
    }
  })

  test('is told as closed, and as nothing else, when it ends before; not to a team whose it never was', async () => {
    stage.queue.act(id, admin, { action: 'supervise' })
    await until(() => receiver.received.length === 1)
    stage.queue.record(alarm({ startedAt: at(), state: 'cleared', clearedAt: at() }), speaking, at())
    await until(() => receiver.received.length === 2)
    await quiet()
    expect(typesOf()).toEqual(['supervised', 'closed'])
    expect(receiver.received[1]!.body).toContain('喊话等待期内结束，未派队伍')
    expect(team.received).toEqual([])
  })
})

test('every change of a case that is news is told once, in its order, signed, with an id that names it', async () => {
  subscribe()
  open(1)
  const { id } = stage.cases.list({}, 10).items[0]!
  const act = (action: string, more = {}, who = admin) =>
    expect(stage.queue.act(id, who, { action, ...more } as never)).toMatchObject({ type: 'ok' })
  act('accept', {}, crew)
  act('supervise')
  act('return', { note: '联系 13812345678' }, crew)
  await until(() => receiver.received.length === 3)
  expect(typesOf()).toEqual(['opened', 'supervised', 'returned'])
  stage.clock.time += 41 * MINUTE
  stage.queue.checkDeadlines()
  stage.queue.annotate(id, noted(stage.clock.now(), 'verify_proposed'))
  act('void')
  await until(() => receiver.received.length === 6)
  await quiet()
  const told = receiver.received.map(
    ({ body }) => JSON.parse(body) as { id: string; data: { event: string } },
  )
  expect(told.slice(3).map(({ data }) => data.event)).toEqual(['escalated', 'verify_proposed', 'closed'])
  expect(new Set(told.map(({ id }) => id)).size).toBe(6)
  expect(told.every((event) => event.id.startsWith(`${id}:`))).toBe(true)
  expect(told[2]!.data).toMatchObject({ note: '联系 138****5678', actor: 'wang' })
  // Three colours that came up at once are one piece of news.
  expect(told[3]!.data).toMatchObject({ colour: 'red', case: { id, version: 5 } })
})

test('an alarm that joins is no news, one that makes the case worse is', async () => {
  subscribe()
  open(1)
  const { site } = stage.cases.list({}, 10).items[0]!
  stage.queue.record(alarm({ id: 'same', site }), rule, stage.clock.now())
  stage.queue.record(alarm({ id: 'worse', site, severity: 'red' }), rule, stage.clock.now())
  await until(() => receiver.received.length === 2)
  await quiet()
  expect(typesOf()).toEqual(['opened', 'raised'])
})

test('what a transaction takes back is told to nobody', async () => {
  subscribe()
  expect(() =>
    stage.database.transaction(() => {
      stage.queue.record(alarm(), rule, stage.clock.now())
      throw new Error('the disk is full')
    }),
  ).toThrow('the disk is full')
  await quiet()
  expect(receiver.received).toEqual([])
})

test('everybody hears what they asked for and nothing else', async () => {
  const elsewhere = await another()
  const url = `${elsewhere.url}/hook`
  subscribe({ url, filter: { streets: ['hongqiao'] } })
  subscribe({ url, filter: { minSeverity: 'red' } })
  subscribe({ url, filter: { categories: ['flood'] } })
  subscribe({ url, filter: { teams: ['hongqiao-crew'] } })
  subscribe({ url, filter: { events: ['closed'] } })
  subscribe({
    filter: {
      streets: ['tangzhazhen', 'hongqiao'],
      minSeverity: 'orange',
      categories: ['cooking-fume'],
      teams: ['tangzhazhen-crew'],
      events: ['opened'],
    },
  })
  open(1)
  await until(() => receiver.received.length === 1)
  await quiet()
  expect(elsewhere.received).toEqual([])
})

test('a case of nothing but simulated alarms is told to nobody until it is real: then it is new', async () => {
  subscribe()
  const made = { id: 'simulated', device: simulatedDevice.id }
  stage.queue.record(alarm(made), rule, stage.clock.now())
  await quiet()
  expect(receiver.received).toEqual([])
  stage.queue.record(alarm({ id: 'real' }), rule, stage.clock.now())
  await until(() => receiver.received.length === 1)
  expect(typesOf()).toEqual(['opened'])
})

describe('a receiver that does not take it', () => {
  test('later: the same message again, with the same id, after growing pauses, and nothing past it', async () => {
    const id = subscribe()
    receiver.reply = (response) => response.writeHead(503).end()
    open(2)
    for (let attempt = 1; attempt <= 3; attempt++) {
      await until(() => receiver.received.length === attempt)
      await until(
        () => announcer.deliveries({ subscriptions: [id], dead: false }, 9)[0]!.attempts === attempt,
      )
      const [waiting] = announcer.deliveries({ subscriptions: [id], dead: false }, 9)
      expect(waiting).toMatchObject({ state: 'open', detail: 'HTTP 503' })
      const pause = waiting!.nextAt - stage.clock.now()
      expect(pause).toBeGreaterThanOrEqual(500 * 2 ** (attempt - 1))
      expect(pause).toBeLessThanOrEqual(1000 * 2 ** (attempt - 1))
      if (attempt === 3) receiver.reply = (response) => response.end()
      stage.clock.time += pause
      announcer.settle()
    }
    await until(() => receiver.received.length === 5)
    const bodies = receiver.received.map(({ body }) => body)
    expect(new Set(bodies.slice(0, 4)).size).toBe(1)
    expect(new Set(events().map((event) => event.id)).size).toBe(2)
    await until(() => announcer.standing(id).sent === 2)
  })

  test('never: a dead letter at once, the line goes on, and somebody may send it once more', async () => {
    const id = subscribe()
    receiver.reply = (response) => response.writeHead(receiver.received.length === 1 ? 400 : 200).end()
    open(2)
    await until(() => announcer.standing(id).sent === 1)
    const [dead, ...more] = announcer.deliveries({ subscriptions: [id], dead: true }, 9)
    expect(more).toEqual([])
    expect(dead).toMatchObject({ state: 'dead', detail: 'HTTP 400' })
    announcer.retry(dead!.number, () => {})
    await until(() => announcer.standing(id).sent === 2)
    expect(receiver.received[2]!.body).toBe(receiver.received[0]!.body)
    expect(() => announcer.retry(dead!.number, () => {})).toThrow(/no dead letter/)
  })

  test('a robot that says no with HTTP 200 has not been told', async () => {
    const id = robot()
    receiver.reply = (response) => response.end('{"errcode":93000,"errmsg":"invalid webhook url"}')
    open(1)
    await until(() => announcer.standing(id).dead === 1)
    expect(announcer.deliveries({ subscriptions: [id], dead: true }, 9)[0]!.detail).toMatch(/93000/)
    expect(announcer.health()).toEqual({ ready: true, detail: '1 receivers, 1 dead letters' })
    expect(announcer.totals()).toEqual({ open: 0, dead: 1 })
  })

  test('for too long: what is news no more is put aside and not sent late', async () => {
    const id = subscribe()
    await receiver.stop()
    open(3)
    await until(() => announcer.deliveries({ subscriptions: [id], dead: false }, 9)[0]?.attempts === 1)
    stage.clock.time += 25 * 3_600_000
    announcer.settle()
    await until(() => announcer.standing(id).dead === 3)
    expect(announcer.standing(id)).toEqual({ open: 0, sent: 0, dead: 3 })
    expect(
      announcer
        .deliveries({ subscriptions: [id], dead: true }, 9)
        .every(({ detail }) => detail!.startsWith('expired')),
    ).toBe(true)
  })

  test('one that never answers slows neither the others nor the queue', async () => {
    const silent = await another()
    silent.reply = () => {}
    for (let number = 0; number < 20; number++) subscribe({ url: `${silent.url}/hook` })
    const id = subscribe()
    open(30)
    await until(() => announcer.standing(id).sent === 30)
    expect(silent.received).toHaveLength(20)
    await silent.stop()
  })
})

describe('killed', () => {
  test('between the change and the post: it is told after the start', async () => {
    subscribe()
    // Before anything of the announcer's has run.
    open(3)
    const crashed = stage.afterCrash()
    await announcer.stop()
    receiver.received.splice(0)
    const next = announcerOf(crashed)
    others.push({ stop: () => crashed.close() }, next)
    await next.start()
    await until(() => receiver.received.length === 3)
    expect(typesOf()).toEqual(['opened', 'opened', 'opened'])
  })

  test('between the post and its note: that one message comes twice, word for word, and no other', async () => {
    subscribe()
    let crashed: Stage | undefined
    receiver.reply = (response) => {
      // Taken, and the gateway dies before it hears so.
      if (receiver.received.length === 3) crashed = stage.afterCrash()
      response.end()
    }
    open(5)
    await until(() => crashed !== undefined)
    await announcer.stop()
    receiver.received.splice(3)
    receiver.reply = (response) => response.end()
    const next = announcerOf(crashed!)
    others.push({ stop: () => crashed!.close() }, next)
    await next.start()
    await until(() => receiver.received.length === 6)
    await quiet()
    expect(receiver.received).toHaveLength(6)
    const bodies = receiver.received.map(({ body }) => body)
    expect(bodies[3]).toBe(bodies[2])
    expect(new Set(bodies).size).toBe(5)
  })

  test('a restart gives a robot no fresh allowance', async () => {
    const id = robot({ rate: 2 })
    open(1)
    await until(() => announcer.standing(id).sent === 1)
    open(1, 1)
    stage.clock.time += 10_000
    announcer.settle()
    await until(() => announcer.standing(id).sent === 2)
    await announcer.stop()
    announcer = announcerOf(stage)
    await announcer.start()
    open(1, 2)
    await quiet()
    expect(receiver.received).toHaveLength(2)
    stage.clock.time += 60_000
    announcer.settle()
    await until(() => receiver.received.length === 3)
  })
})

describe('a storm', () => {
  test('is a few messages for people, which count every case, and no robot gets more than it allows', async () => {
    const id = robot()
    for (let batch = 0; batch < 20; batch++) open(50, batch * 50)
    await until(() => receiver.received.length === 1)
    await quiet()
    for (let second = 0; second < 12; second++) {
      stage.clock.time += 1000
      announcer.settle()
      await sleep(5)
    }
    await until(
      () =>
        announcer.standing(id).open === 0 &&
        announcer
          .deliveries({ subscriptions: [id], dead: false }, 99)
          .reduce((sum, { announcement }) => sum + announcement.count, 0) === 1000,
    )
    expect(receiver.received.length).toBeLessThanOrEqual(3)
    expect(JSON.parse(receiver.received[0]!.body).markdown.content).toMatch(/唐闸镇 \d+ 起新案件/)
  })

  test('a webhook without a rate gets every event by itself, one with a rate gets all of them in a few', async () => {
    const paced = await another()
    subscribe()
    subscribe({ url: `${paced.url}/hook`, rate: 10 })
    open(40)
    await until(() => receiver.received.length === 40)
    await until(() => paced.received.length === 1)
    expect(typesOf(paced)).toEqual(['merged'])
    const [{ data }] = events(paced) as unknown as [{ data: { count: number; events: unknown[] } }]
    expect(data.count).toBe(40)
    expect(data.events).toHaveLength(40)
  })

  test('however posts come, no window holds more than its limit', () => {
    fc.assert(
      fc.property(
        fc.array(fc.nat(3000), { maxLength: 300 }),
        fc.integer({ min: 1, max: 20 }),
        fc.integer({ min: 1, max: 5 }),
        (pauses, perMinute, perSecond) => {
          const pace = new Pace([
            { posts: perMinute, windowMs: MINUTE },
            { posts: perSecond, windowMs: 1000 },
          ])
          const posts: number[] = []
          let now = NOON
          for (const pause of pauses) {
            now += pause
            now += pace.wait(now)
            expect(pace.wait(now)).toBe(0)
            pace.note(now)
            posts.push(now)
          }
          for (const at of posts) {
            const within = (span: number) => posts.filter((other) => other >= at && other < at + span).length
            expect(within(MINUTE)).toBeLessThanOrEqual(perMinute)
            expect(within(1000)).toBeLessThanOrEqual(perSecond)
          }
        },
      ),
      { numRuns: 30 },
    )
  })
})

test('pauses between attempts grow to five minutes, and no two receivers share them', () => {
  expect(retryAfter(1, 0)).toBe(500)
  expect(retryAfter(1, 1)).toBe(1000)
  expect(retryAfter(5, 0)).toBe(8000)
  expect(retryAfter(50, 0.999)).toBeLessThanOrEqual(300_000)
})

test('a subscription that is gone is told nothing more, and one that is changed is told the rest elsewhere', async () => {
  const elsewhere = await another()
  const gone = subscribe()
  const moved = subscribe()
  receiver.reply = (response) => response.writeHead(503).end()
  open(2)
  await until(() => announcer.standing(gone).open === 1 && announcer.standing(moved).open === 1)
  await until(() => receiver.received.length === 2)
  await quiet()
  announcer.remove(gone, () => {})
  announcer.change(moved, { url: `${elsewhere.url}/hook` }, () => {})
  await until(() => elsewhere.received.length === 2)
  await quiet()
  expect(receiver.received).toHaveLength(2)
  expect(announcer.standing(gone)).toEqual({ open: 0, sent: 0, dead: 0 })
})

test('what is wrong with a subscription is said where it is made', () => {
  for (const [wish, what] of [
    [{ url: 'nonsense' }, /url: is not an address/],
    [{ url: 'http://10.0.0.1/' }, /may not connect/],
    [{ type: 'wecom', url: 'https://qyapi.weixin.qq.com/cgi-bin/webhook/send' }, /key/],
    [{ type: 'wecom', url: 'https://qyapi.weixin.qq.com/x?key=k', secret: 's' }, /has none/],
    [{ type: 'dingtalk', url: 'https://oapi.dingtalk.com/robot/send' }, /access_token/],
    [{ type: 'feishu', url: 'https://open.feishu.cn/open-apis/bot/v2' }, /\/hook\//],
    [{ secret: 'whsec_short' }, /Base64/],
    [{ filter: { streets: ['nowhere'] } }, /no street "nowhere"/],
    [{ filter: { teams: ['nobody'] } }, /no team "nobody"/],
    [{ type: 'wecom', url: 'https://qyapi.weixin.qq.com/x?key=k', rate: 21 }, /20 a minute/],
  ] as [Partial<Wish>, RegExp][])
    expect(() => subscribe(wish)).toThrow(what)
  for (let number = 0; number < 100; number++) subscribe()
  expect(() => subscribe()).toThrow(/100 subscriptions/)
})
