import * as fc from 'fast-check'
import { beforeEach, describe, expect, test } from 'vitest'
import { readingsOf } from '../model/body.ts'
import { loadKinds } from '../model/kinds.ts'
import { JournalUnavailable, type JournalEntry, type JournalWrite } from '../model/pipeline.ts'
import { MESSAGE_LIMIT, RAW_LIMIT, type Origin, type RefusalCode } from '../model/reading.ts'
import { Duplicates } from './duplicates.ts'
import { ReadingIntake } from './intake.ts'

const NOW = 1_718_000_000_000
const YEAR = 365 * 86_400_000

/** Commits when told to, so that a test can look at what is in flight. */
class HeldJournal {
  readonly committed: JournalWrite[] = []
  #held: { write: JournalWrite; resolve: () => void; reject: (error: Error) => void }[] = []
  hold = false

  append(write: JournalWrite): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#held.push({ write, resolve, reject })
      if (!this.hold) this.commit()
    })
  }
  commit(): void {
    for (const { write, resolve } of this.#held.splice(0)) {
      this.committed.push(write)
      resolve()
    }
  }
  fail(): void {
    for (const { reject } of this.#held.splice(0)) reject(new JournalUnavailable('disk full'))
  }
  head = () => 0
  tail = () => 0
  read = () => ({ deliveries: [], next: 0 })

  entries(): JournalEntry[] {
    return this.committed.flatMap((write) => write.entry ?? [])
  }
  stored() {
    return this.entries().flatMap((entry) => entry.readings)
  }
}

function origin(device: string, kind: string): Origin {
  return { device, kind, site: 'site-1', street: 'wenfeng', grid: 'wenfeng-001' }
}
const origins = new Map(
  [origin('fume-1', 'cooking_fume'), origin('river-1', 'river_station'), origin('odd-1', 'teapot')].map(
    (one) => [one.device, one],
  ),
)

const builtIn = loadKinds()
const kinds = new Map(['cooking_fume', 'river_station'].map((id) => [id, builtIn.get(id)!]))

let journal: HeldJournal
let now: number
let intake: ReadingIntake
beforeEach(() => {
  journal = new HeldJournal()
  now = NOW
  intake = new ReadingIntake({
    kinds,
    devices: { origin: (id) => origins.get(id) },
    journal,
    clock: { now: () => now },
    maxMessageBytes: 524_288,
    duplicates: new Duplicates(1000),
  })
})

const send = (payload: unknown, device = 'fume-1') =>
  intake.accept({
    device,
    payload: Buffer.from(typeof payload === 'string' ? payload : JSON.stringify(payload)),
    receivedAt: NOW,
  })
const fume = (value: unknown, ts: unknown = NOW) => ({ ts, metrics: { fume: value } })

describe('what is accepted', () => {
  test('the wire bytes are the body when every reading is accepted', async () => {
    const payload = Buffer.from(
      `{ "ts":${NOW}, "metrics":{"fume":2.35,"fan":true}, "position":[120.857,32.010,12] }`,
    )
    const outcome = await intake.accept({ device: 'fume-1', payload, receivedAt: NOW })
    expect(outcome).toEqual({ accepted: 1, duplicates: 0, refused: [] })
    expect(journal.entries()[0]!.body).toBe(payload)
    expect(journal.entries()[0]!.origin).toBe(origins.get('fume-1'))
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

describe('bad input', () => {
  const deep = `${'['.repeat(100_000)}${']'.repeat(100_000)}`
  const cases: [
    name: string,
    payload: string | object,
    code: RefusalCode,
    message: RegExp,
    device?: string,
  ][] = [
    ['nothing', '', 'bad_json', /not JSON: Unexpected end/],
    ['half a reading', '{"metrics":{"fume":', 'bad_json', /not JSON/],
    ['bytes that are no text', '\u0000\u0001\u0002', 'bad_json', /not JSON: [^\p{Cc}]*$/u],
    ['NaN', '{"metrics":{"fume":NaN}}', 'bad_json', /not JSON/],
    ['1e999', '{"metrics":{"fume":1e999}}', 'out_of_range', /fume: Infinity is not a finite number.*mg\/m³/],
    ['null', 'null', 'bad_reading', /reading: null; expected an object/],
    ['a number', '42', 'bad_reading', /reading: 42; expected an object/],
    ['a string', '"fume"', 'bad_reading', /reading: "fume" is a string; expected an object/],
    ['an empty array', '[]', 'bad_reading', /no reading/],
    ['an array in an array', '[[]]', 'bad_reading', /reading: an array; expected an object/],
    ['an empty object', '{}', 'bad_reading', /metrics: missing/],
    ['no metric', { metrics: {} }, 'bad_reading', /metrics: empty/],
    ['metrics as an array', { metrics: [1] }, 'bad_type', /metrics: an array; expected an object of metrics/],
    ['metrics as null', { metrics: null }, 'bad_type', /metrics: null/],
    [
      'a string for a number',
      fume('abc'),
      'bad_type',
      /^metrics\.fume: "abc" is a string; expected a number in mg\/m³$/,
    ],
    ['a numeric string', fume('2.35'), 'bad_type', /"2.35" is a string/],
    ['null for a number', fume(null), 'bad_type', /fume: null; expected a number/],
    ['a boolean for a number', fume(true), 'bad_type', /true is a boolean/],
    ['an object for a number', fume({ a: 1 }), 'bad_type', /a value of type object/],
    [
      'a number for a boolean',
      { metrics: { fan: 1 } },
      'bad_type',
      /metrics\.fan: 1; expected true or false/,
    ],
    [
      'a value that cannot be',
      fume(-0.1),
      'out_of_range',
      /fume: -0.1 cannot be true; expected 0 to 1000 mg\/m³/,
    ],
    [
      'an unknown metric',
      { metrics: { fum: 1 } },
      'unknown_metric',
      /metrics\."fum": cooking_fume has no such.*fan_current/,
    ],
    ['__proto__ as a metric', '{"metrics":{"fume":1,"__proto__":{"x":1}}}', 'unknown_metric', /"__proto__"/],
    ['constructor as a metric', { metrics: { constructor: 1 } }, 'unknown_metric', /"constructor"/],
    [
      '__proto__ as a key',
      '{"metrics":{"fume":1},"__proto__":{"ts":1}}',
      'bad_reading',
      /"__proto__": unknown key/,
    ],
    [
      'an unknown key',
      { ...fume(1), device: 'fume-2' },
      'bad_reading',
      /"device": unknown key; expected ts, metrics/,
    ],
    ['the gateway’s own mark', { ...fume(1), clock: 'gateway' }, 'bad_reading', /"clock": unknown key/],
    [
      'a time that is text',
      fume(1, '2024-06-01'),
      'bad_type',
      /ts: "2024-06-01" is a string; expected whole millis/,
    ],
    ['a time that is null', fume(1, null), 'bad_type', /ts: null/],
    ['half a millisecond', fume(1, NOW + 0.5), 'bad_type', /ts: \d+\.5; expected whole milliseconds/],
    ['a time before 1970', fume(1, -1), 'out_of_range', /ts: -1; expected whole milliseconds/],
    ['microseconds', fume(1, NOW * 1000), 'out_of_range', /ts: 1718000000000000/],
    ['a clock a year ahead', fume(1, NOW + YEAR), 'clock_ahead', /ts: \d+ is 31536000 s ahead/],
    [
      'an unknown mark',
      { ...fume(1), flags: { fume: 'X' } },
      'bad_reading',
      /flags\.fume: "X" is a string; expected one of N F/,
    ],
    ['a mark that is null', { ...fume(1), flags: { fume: null } }, 'bad_reading', /flags\.fume: null/],
    ['a mark of an unknown metric', { ...fume(1), flags: { ph: 'F' } }, 'unknown_metric', /flags\."ph"/],
    [
      'marks as text',
      { ...fume(1), flags: 'F' },
      'bad_type',
      /flags: "F" is a string; expected an object of marks/,
    ],
    ['half a position', { ...fume(1), position: [120] }, 'bad_reading', /position: expected \[longitude/],
    ['a position of four', { ...fume(1), position: [120, 32, 1, 2] }, 'bad_reading', /position: expected/],
    [
      'a turned position',
      { ...fume(1), position: [32, 120] },
      'out_of_range',
      /position\.1: 120; expected a latitude/,
    ],
    [
      'a position of text',
      { ...fume(1), position: ['120', '32'] },
      'bad_type',
      /position\.0: "120" is a string/,
    ],
    [
      'a position as an object',
      { ...fume(1), position: { lon: 1 } },
      'bad_type',
      /position: a value of type object/,
    ],
    ['an unknown device', fume(1), 'unknown_device', /"fume-9" is not registered/, 'fume-9'],
    ['a device of an unknown kind', fume(1), 'unknown_device', /kind "teapot" is not known/, 'odd-1'],
    [
      'a name that is far too long',
      fume(1),
      'unknown_device',
      /"x{64}" is not registered/,
      'x'.repeat(100_000),
    ],
    ['depth', deep, 'bad_reading', /reading: an array/],
    ['depth in a metric', `{"metrics":{"fume":${deep}}}`, 'bad_type', /fume: an array/],
    ['a size bomb', ' '.repeat(524_289), 'too_large', /524289 bytes; expected at most 524288/],
    [
      'a long string',
      fume('x'.repeat(500_000)),
      'bad_type',
      /^metrics\.fume: "x{40}…" is a string; expected/,
    ],
    ['a long key', { metrics: { ['k'.repeat(500_000)]: 1 } }, 'unknown_metric', /^metrics\."k{40}…": /],
    [
      'forty thousand keys',
      { metrics: Object.fromEntries(Array.from({ length: 40_000 }, (_, i) => [`k${i}`, 1])) },
      'unknown_metric',
      /metrics\."k0": cooking_fume has no such metric/,
    ],
    ['a line break in a key', { metrics: { 'a\nb': 1 } }, 'unknown_metric', /metrics\."a\\nb"/],
  ]

  test.each(cases)(
    '%s is quarantined with its code, its reason and its bytes',
    async (_, payload, code, message, device) => {
      const bytes = Buffer.from(typeof payload === 'string' ? payload : JSON.stringify(payload))
      const outcome = await send(payload, device)
      expect(outcome).toMatchObject({ accepted: 0, duplicates: 0 })
      expect(outcome.refused).toHaveLength(1)
      const [refused] = outcome.refused
      expect(refused!.code).toBe(code)
      expect(refused!.message).toMatch(message)
      expect(refused!.message.length).toBeLessThan(400)
      expect(refused!.device!.length).toBeLessThanOrEqual(64)
      expect(refused!.rawSize).toBe(bytes.length)
      expect(Buffer.from(refused!.raw).equals(bytes.subarray(0, RAW_LIMIT))).toBe(true)
      expect(journal.committed).toEqual([{ duplicates: 0, refusals: outcome.refused }])
    },
  )

  test('a bomb beside a good reading takes nothing from it', async () => {
    const { accepted, refused } = await send(`[${JSON.stringify(fume(1))},${deep}]`)
    expect(accepted).toBe(1)
    expect(refused).toHaveLength(1)
  })

  test.each([NaN, Infinity, 1n, undefined, () => 1])(
    'a codec that hands over %s is refused, not trusted',
    async (value) => {
      const payload = [{ ts: NOW, metrics: { ph: value } }]
      const { refused } = await intake.accept({ device: 'river-1', payload, receivedAt: NOW })
      expect(refused).toHaveLength(1)
    },
  )

  test('no bytes whatever make it throw, and each reading is counted once', async () => {
    const anything = fc.oneof(
      fc.json(),
      fc.string(),
      fc.uint8Array().map((bytes) => Buffer.from(bytes).toString()),
    )
    await fc.assert(
      fc.asyncProperty(anything, async (payload) => {
        const { accepted, duplicates, refused } = await send(payload)
        expect(accepted + duplicates + refused.length).toBeGreaterThan(0)
      }),
    )
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

    origins.set('fume-9', origin('fume-9', 'cooking_fume'))
    now += 60_000
    expect(await intake.retry(entry)).toEqual({
      released: true,
      outcome: { accepted: 1, duplicates: 0, refused: [] },
    })
    origins.delete('fume-9')
    expect(journal.committed.at(-1)).toMatchObject({
      released: [17],
      refusals: [],
      entry: { receivedAt: NOW, readings: [{ ts: NOW, clock: 'gateway', metrics: { fume: 1 } }] },
    })
  })

  test('releases a clock that was ahead once the time has come', async () => {
    const entry = await refusal(fume(1, NOW + 600_000))
    expect(await intake.retry(entry)).toMatchObject({ released: false, code: 'clock_ahead' })
    now = NOW + 600_000
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
    origins.set('fume-9', origin('fume-9', 'cooking_fume'))
    const outcomes = await Promise.all([intake.retry(entry), intake.retry(entry)])
    origins.delete('fume-9')
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
