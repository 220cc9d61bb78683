import * as fc from 'fast-check'
import { beforeEach, describe, expect, test } from 'vitest'
import { readingsOf } from '../model/body.ts'
import { JournalUnavailable } from '../model/pipeline.ts'
import { MESSAGE_LIMIT, RAW_LIMIT } from '../model/reading.ts'
import { fume, IntakeStage, NOW, originOf, YEAR, type HeldJournal } from './intake.fixture.ts'
import type { ReadingIntake } from './intake.ts'

let stage: IntakeStage
let journal: HeldJournal
let intake: ReadingIntake
beforeEach(() => {
  stage = new IntakeStage()
  ;({ journal, intake } = stage)
})
const send: IntakeStage['send'] = (...message) => stage.send(...message)

describe('what is accepted', () => {
  test('the wire bytes are the body when every reading is accepted', async () => {
    const payload = Buffer.from(
      `{ "ts":${NOW}, "metrics":{"fume":2.35,"fan":true}, "position":[120.857,32.010,12] }`,
    )
    const outcome = await intake.accept({ device: 'fume-1', payload, receivedAt: NOW })
    expect(outcome).toEqual({ accepted: 1, duplicates: 0, refused: [] })
    expect(journal.entries()[0]!.body).toBe(payload)
    expect(journal.entries()[0]!.origin).toBe(stage.origins.get('fume-1'))
  })

  test('the text along with the readings of a codec is the body when every reading is accepted, and only then', async () => {
    const text = Buffer.from('[{"metrics":{"fume":1.0}}]')
    await intake.accept({ device: 'fume-1', payload: [{ metrics: { fume: 1 } }], text, receivedAt: NOW })
    expect(journal.entries()[0]!.body).toBe(text)
    const payload = [fume(2), fume('abc')]
    await intake.accept({ device: 'fume-1', payload, text: Buffer.from('[]'), receivedAt: NOW })
    expect(readingsOf(journal.entries()[1]!.body, NOW)).toEqual([fume(2)])
  })

  test('a reading without a time gets the receive time and says so', async () => {
    await send({ metrics: { fume: 1 } })
    expect(journal.stored()).toEqual([{ ts: NOW, clock: 'gateway', metrics: { fume: 1 } }])
  })

  test('of a mixed array the good readings are stored and each bad one is refused on its own', async () => {
    const { accepted, refused } = await send([fume(1), fume('abc'), fume(2, NOW + 1), { metrics: {} }])
    expect(accepted).toBe(2)
    expect(refused.map(({ code, raw }) => [code, Buffer.from(raw).toString()])).toEqual([
      ['bad_type', JSON.stringify(fume('abc'))],
      ['bad_reading', '{"metrics":{}}'],
    ])
    expect(readingsOf(journal.entries()[0]!.body, NOW)).toEqual([fume(1), fume(2, NOW + 1)])
  })

  test('readings that a codec made are stamped and written as JSON', async () => {
    const payload = [{ metrics: { ph: 7.1, flow: -12.5 } }, { ts: NOW - 5, metrics: { ph: 7.2 } }]
    await intake.accept({ device: 'river-1', payload, receivedAt: NOW })
    const [entry] = journal.entries()
    expect(readingsOf(entry!.body, NOW)).toEqual(entry!.readings)
    expect(entry!.readings[0]!.clock).toBe('gateway')
  })

  test('a value under another mark than N need not be believable, only of its type', async () => {
    expect((await send({ ...fume(-999), flags: { fume: 'D' } })).accepted).toBe(1)
    expect((await send({ ...fume(-999, NOW + 1), flags: { fume: 'N' } })).refused[0]!.code).toBe(
      'out_of_range',
    )
    expect((await send({ ...fume(null, NOW + 2), flags: { fume: 'D' } })).refused[0]!.code).toBe('bad_type')
  })

  test('a clock five minutes ahead is accepted, a millisecond more is not', async () => {
    expect((await send(fume(1, NOW + 300_000))).accepted).toBe(1)
    expect((await send(fume(1, NOW + 300_001))).refused[0]!.code).toBe('clock_ahead')
  })

  test('a thousand readings in a message are accepted, one more is refused as a whole', async () => {
    const readings = Array.from({ length: MESSAGE_LIMIT + 1 }, (_, i) => fume(1, NOW + i))
    expect((await send(readings.slice(1))).accepted).toBe(MESSAGE_LIMIT)
    const { refused } = await send(readings)
    expect(refused).toHaveLength(1)
    expect(refused[0]).toMatchObject({ code: 'too_large', rawSize: JSON.stringify(readings).length })
    expect(refused[0]!.raw).toHaveLength(RAW_LIMIT)
  })
})

describe('duplicates', () => {
  test('a redelivered reading is stored once', async () => {
    await send(fume(1))
    expect(await send([fume(1), fume(1, NOW + 1)])).toEqual({ accepted: 1, duplicates: 1, refused: [] })
    expect(journal.stored()).toEqual([fume(1), fume(1, NOW + 1)])
  })

  test('a reading twice in one message is stored once', async () => {
    expect(await send([fume(1), fume(1)])).toMatchObject({ accepted: 1, duplicates: 1 })
    expect(journal.stored()).toHaveLength(1)
  })

  test('two readings without a time are two', async () => {
    await send({ metrics: { fume: 1 } })
    expect(await send({ metrics: { fume: 1 } })).toMatchObject({ accepted: 1, duplicates: 0 })
  })

  test('a duplicate is acknowledged only after the commit of its original', async () => {
    journal.hold = true
    const settled: string[] = []
    const original = send(fume(1)).then(() => settled.push('original'))
    const repeated = send(fume(1)).then(() => settled.push('repeated'))
    await Promise.resolve()
    expect(settled).toEqual([])
    journal.hold = false
    journal.commit()
    await Promise.all([original, repeated])
    expect(settled).toEqual(['original', 'repeated'])
  })

  test('when the commit fails, a duplicate of it fails too, and the next delivery is accepted', async () => {
    journal.hold = true
    const original = send(fume(1))
    const repeated = send([fume(1), fume(2, NOW + 1)])
    journal.fail()
    journal.hold = false
    await expect(original).rejects.toThrow(JournalUnavailable)
    await expect(repeated).rejects.toThrow(JournalUnavailable)
    expect(await send([fume(1), fume(2, NOW + 1)])).toEqual({ accepted: 2, duplicates: 0, refused: [] })
    expect(journal.stored()).toHaveLength(2)
  })
})

describe('a retry', () => {
  const refusal = async (payload: unknown, device?: string) => ({
    id: 17,
    ...(await send(payload, device)).refused[0]!,
  })

  test('releases an entry whose device is registered by then, with its first receive time', async () => {
    const entry = await refusal({ metrics: { fume: 1 } }, 'fume-9')
    expect(await intake.retry(entry)).toMatchObject({ released: false, code: 'unknown_device' })
    expect(journal.committed).toHaveLength(1)

    stage.origins.set('fume-9', originOf('fume-9', 'cooking_fume'))
    stage.now += 60_000
    expect(await intake.retry(entry)).toEqual({
      released: true,
      outcome: { accepted: 1, duplicates: 0, refused: [] },
    })
    stage.origins.delete('fume-9')
    expect(journal.committed.at(-1)).toMatchObject({
      released: [17],
      refusals: [],
      entry: { receivedAt: NOW, readings: [{ ts: NOW, clock: 'gateway', metrics: { fume: 1 } }] },
    })
  })

  test('releases a clock that was ahead once the time has come', async () => {
    const entry = await refusal(fume(1, NOW + 600_000))
    expect(await intake.retry(entry)).toMatchObject({ released: false, code: 'clock_ahead' })
    stage.now = NOW + 600_000
    expect(await intake.retry(entry)).toMatchObject({ released: true })
  })

  test('of what was cut off is refused with the reason', async () => {
    const entry = await refusal(fume('x'.repeat(RAW_LIMIT)))
    expect(await intake.retry(entry)).toMatchObject({
      released: false,
      code: 'cut_off',
      message: expect.stringMatching(/only 4096 of \d+ bytes were kept/) as string,
    })
  })

  test('releases a reading that has arrived meanwhile as a duplicate', async () => {
    const entry = { ...(await refusal(fume('1'))), raw: Buffer.from(JSON.stringify(fume(1))) }
    await send(fume(1))
    expect(await intake.retry({ ...entry, rawSize: entry.raw.length })).toEqual({
      released: true,
      outcome: { accepted: 0, duplicates: 1, refused: [] },
    })
  })

  test('stores again what the historian could not take, with its stamp', async () => {
    await send({ metrics: { fume: 1 } })
    const [reading] = journal.stored()
    const raw = Buffer.from(JSON.stringify(reading))
    const entry = {
      id: 3,
      device: 'fume-1',
      code: 'historian_rejected',
      message: 'field type conflict',
      raw,
      rawSize: raw.length,
      receivedAt: NOW + 5,
    } as const
    expect(await intake.retry(entry)).toMatchObject({ released: true, outcome: { accepted: 1 } })
    expect(journal.stored()).toEqual([reading, reading])
  })

  test('twice at once is carried out once', async () => {
    const entry = await refusal({ metrics: { fume: 1 } }, 'fume-9')
    stage.origins.set('fume-9', originOf('fume-9', 'cooking_fume'))
    const outcomes = await Promise.all([intake.retry(entry), intake.retry(entry)])
    stage.origins.delete('fume-9')
    expect(outcomes.map(({ released }) => released)).toEqual([true, false])
  })
})

const wireReading = fc.record(
  {
    ts: fc.oneof(fc.integer({ min: NOW, max: NOW + 20 }), fc.constant(NOW + YEAR)),
    metrics: fc.dictionary(
      fc.constantFrom('fume', 'fan', 'temperature', 'what'),
      fc.oneof(fc.double({ min: -10, max: 1100, noNaN: true }), fc.boolean(), fc.constant('7')),
    ),
    flags: fc.dictionary(fc.constantFrom('fume', 'fan'), fc.constantFrom('N', 'D', 'M')),
    position: fc.tuple(fc.double({ min: -180, max: 180, noNaN: true }), fc.integer({ min: -91, max: 91 })),
  },
  { requiredKeys: ['metrics'] },
)

test('received = accepted + duplicates + quarantined, and the body on disk is what was validated', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.array(wireReading, { minLength: 1, maxLength: 8 }), { maxLength: 20 }),
      async (messages) => {
        journal.committed.length = 0
        const sum = { accepted: 0, duplicates: 0, refused: 0 }
        for (const message of messages) {
          const { accepted, duplicates, refused } = await send(message.length === 1 ? message[0] : message)
          sum.accepted += accepted
          sum.duplicates += duplicates
          sum.refused += refused.length
          expect(accepted + duplicates + refused.length).toBe(message.length)
        }
        expect(journal.stored()).toHaveLength(sum.accepted)
        for (const { body, receivedAt, readings } of journal.entries()) {
          // Through JSON once more, which knows no -0.
          expect(JSON.stringify(readingsOf(body, receivedAt))).toBe(JSON.stringify(readings))
        }
      },
    ),
    { numRuns: 200 },
  )
})
