import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { pino } from 'pino'
import { Evidence, EvidenceRefused } from '../evidence/evidence.ts'
import { jpeg, mp4, png } from '../evidence/media.fixture.ts'
import { DAY, Desk } from './people.fixture.ts'
import { NotNow, NotThere } from './public-desk.ts'
import { PHOTO_BYTES, StrangerPhotos } from './stranger-photos.ts'
import { TooMany } from './stranger-limits.ts'

const HOME = '203.0.113.7'
let desk: Desk
let evidence: Evidence
let photos: StrangerPhotos

beforeEach(async () => {
  desk = new Desk()
  const { database, cases, queue, clock, folder } = desk
  evidence = new Evidence({
    database,
    cases,
    queue,
    folder: join(folder, 'evidence'),
    limits: { photoBytes: 1 << 24, videoBytes: 1 << 24, filesPerCase: 50, quotaBytes: 1 << 30 },
    clock,
    log: pino({ level: 'silent' }),
  })
  await evidence.start()
  const { strangers, limits } = desk.people
  photos = new StrangerPhotos({ database, desk: strangers, evidence, limits, clock })
})
afterEach(async () => {
  await evidence.stop()
  await desk.close()
})

async function* stream(...chunks: Uint8Array[]) {
  yield* chunks
}
const add = (number: string, ...chunks: Uint8Array[]) => photos.add(number, HOME, stream(...chunks))
let count = 0
const ticket = () => desk.stranger({ client: `client-of-photos-${++count}` }).ticket

test('photos of a stranger are evidence of the case, three for a ticket, and the same one twice is one', async () => {
  const { number, caseId } = ticket()
  expect(await add(number, png(1))).toBe(1)
  expect(await add(number, png(1))).toBe(1)
  expect(await add(number, jpeg())).toBe(2)
  expect(await add(number, png(2))).toBe(3)
  await expect(add(number, png(3))).rejects.toMatchObject({ reason: 'too_many_files' })
  expect(await add(number, png(2))).toBe(3)
  const files = evidence.files(caseId)
  expect(files).toHaveLength(3)
  expect(new Set(files.map(({ by }) => by))).toEqual(new Set([`ticket:${number.slice(-4)}`]))
  // A neighbour's own three are another matter, though the case is the same.
  expect(await add(ticket().number, png(3))).toBe(1)
})

test('four at once are three too, and thirty of a case leave its crew room', async () => {
  const { number, caseId } = ticket()
  const answers = await Promise.allSettled([1, 2, 3].map(async (i) => add(number, png(i))))
  expect(answers.map(({ status }) => status)).toEqual(['fulfilled', 'fulfilled', 'fulfilled'])
  const other = ticket()
  expect(other.caseId).toBe(caseId)
  await add(other.number, png(4))
  await add(other.number, png(5))
  const more = await Promise.allSettled([6, 7].map(async (i) => add(other.number, png(i))))
  expect(more.map(({ status }) => status).toSorted()).toEqual(['fulfilled', 'rejected'])
  expect(evidence.files(caseId)).toHaveLength(6)
})

/** A body that stops in the middle until it is let go on. */
function trickle() {
  const { promise, resolve } = Promise.withResolvers<void>()
  return {
    go: resolve,
    body: (async function* () {
      yield png(9).subarray(0, 20)
      await promise
      yield png(9).subarray(20)
    })(),
  }
}

test('strangers that trickle their bytes hold up neither each other nor a crew', async () => {
  const { number } = ticket()
  const slow = Array.from({ length: 8 }, trickle)
  const sent = slow.map(async ({ body }, i) => photos.add(number, `198.51.100.${i >> 1}`, body))
  const third = trickle()
  sent.push(photos.add(number, '198.51.100.0', third.body).catch(() => 0))
  await expect(photos.add(number, '198.51.100.99', stream(png(1)))).rejects.toMatchObject({
    reason: 'overloaded',
  })
  const crew = await evidence.receive(stream(png(2)), { type: 'user', key: 'wang' })
  expect(crew.media).toBe('image/png')
  await evidence.discard(crew)
  for (const { go } of [...slow, third]) go()
  await Promise.allSettled(sent)
  expect(await add(number, png(9))).toBeGreaterThan(0)
})

test('one address holds three places at most', async () => {
  const { number } = ticket()
  const slow = Array.from({ length: 3 }, trickle)
  const sent = slow.map(async ({ body }) => photos.add(number, HOME, body))
  await expect(add(number, png(1))).rejects.toMatchObject({ reason: 'overloaded' })
  for (const { go } of slow) go()
  await Promise.allSettled(sent)
})

test('what strangers bring leaves crews their room', async () => {
  const { number } = ticket()
  expect(await add(number, png(1))).toBe(1)
  const { database, clock, people } = desk
  const limits = { ...evidence.limits, quotaBytes: png(1).byteLength * 4 }
  const full = new StrangerPhotos({
    database,
    desk: people.strangers,
    evidence: new Proxy(evidence, {
      get: (of, key) => (key === 'limits' ? limits : (Reflect.get(of, key, of) as () => unknown).bind(of)),
    }),
    limits: people.limits,
    clock,
  })
  await expect(full.add(number, HOME, stream(png(2)))).rejects.toMatchObject({ reason: 'evidence_full' })
})

test('what is no photo, too large, too late or for no ticket leaves nothing', async () => {
  const { number, caseId } = ticket()
  await expect(add(number, mp4())).rejects.toMatchObject({ reason: 'bad_evidence' })
  await expect(add(number, Buffer.from('<script>alert(1)</script>'))).rejects.toBeInstanceOf(EvidenceRefused)
  await expect(add(number, png(1), Buffer.alloc(PHOTO_BYTES))).rejects.toMatchObject({ reason: 'too_large' })
  await expect(add('0000-0000-0001', png(1))).rejects.toBeInstanceOf(NotThere)
  desk.clock.time += DAY + 1
  await expect(add(number, png(1))).rejects.toBeInstanceOf(NotNow)
  expect(evidence.files(caseId)).toEqual([])
})

test('a case that is closed takes none', async () => {
  const { number, caseId } = ticket()
  desk.finish(caseId)
  await expect(add(number, png(1))).rejects.toMatchObject({ reason: 'case_closed' })
})

test('whoever floods is stopped', async () => {
  const { number } = ticket()
  let refusal: unknown
  for (let i = 0; i < 40 && !(refusal instanceof TooMany); i++)
    refusal = await add(number, png(i % 5)).catch((error: unknown) => error)
  expect(refusal).toBeInstanceOf(TooMany)
})
