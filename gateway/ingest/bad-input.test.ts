import * as fc from 'fast-check'
import { beforeEach, expect, test } from 'vitest'
import { RAW_LIMIT, type RefusalCode } from '../model/reading.ts'
import { fume, IntakeStage, NOW, YEAR } from './intake.fixture.ts'

let stage: IntakeStage
beforeEach(() => {
  stage = new IntakeStage()
})

const deep = `${'['.repeat(100_000)}${']'.repeat(100_000)}`
const cases: [name: string, payload: string | object, code: RefusalCode, message: RegExp, device?: string][] =
  [
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
    ['a mean of no time', { ...fume(1), span: 0 }, 'out_of_range', /span: 0; expected whole milliseconds/],
    ['a mean of longer than a year', { ...fume(1), span: 2 * YEAR }, 'out_of_range', /span: \d+; expected/],
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
    const outcome = await stage.send(payload, device)
    expect(outcome).toMatchObject({ accepted: 0, duplicates: 0 })
    expect(outcome.refused).toHaveLength(1)
    const [refused] = outcome.refused
    expect(refused!.code).toBe(code)
    expect(refused!.message).toMatch(message)
    expect(refused!.message.length).toBeLessThan(400)
    expect(refused!.device!.length).toBeLessThanOrEqual(64)
    expect(refused!.rawSize).toBe(bytes.length)
    expect(Buffer.from(refused!.raw).equals(bytes.subarray(0, RAW_LIMIT))).toBe(true)
    expect(stage.journal.committed).toEqual([{ duplicates: 0, refusals: outcome.refused }])
  },
)

test('a bomb beside a good reading takes nothing from it', async () => {
  const { accepted, refused } = await stage.send(`[${JSON.stringify(fume(1))},${deep}]`)
  expect(accepted).toBe(1)
  expect(refused).toHaveLength(1)
})

test.each([NaN, Infinity, 1n, undefined, () => 1])(
  'a codec that hands over %s is refused, not trusted',
  async (value) => {
    const payload = [{ ts: NOW, metrics: { ph: value } }]
    const { refused } = await stage.intake.accept({ device: 'river-1', payload, receivedAt: NOW })
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
      const { accepted, duplicates, refused } = await stage.send(payload)
      expect(accepted + duplicates + refused.length).toBeGreaterThan(0)
    }),
  )
})
