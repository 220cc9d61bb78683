import { readdirSync, readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { decode as decodeBytes } from './codec.ts'
import { precisionOf, type Precision } from './time.ts'

const cases = fileURLToPath(new URL('./testcases', import.meta.url))

function decode(text: string, precision: Precision, limits = { readings: 1000, bytes: 1 << 20 }) {
  const { batches, bad } = decodeBytes(Buffer.from(text), precision, limits)
  return {
    batches: batches.map(({ kind, device, messages }) => {
      const readings = messages.flatMap(({ readings }) => readings)
      // The JSON along them says the same.
      const texts = messages.flatMap(({ text }) => JSON.parse(text.toString()) as unknown[])
      // But for -0, which JSON.stringify does not write.
      expect(JSON.parse(JSON.stringify(texts))).toEqual(JSON.parse(JSON.stringify(readings)))
      return { kind, device, readings }
    }),
    bad,
  }
}

describe('testcases', () => {
  test.each(readdirSync(cases))('%s', (name) => {
    const input = readFileSync(`${cases}/${name}/input`, 'utf8')
    const expected: unknown = JSON.parse(readFileSync(`${cases}/${name}/expected`, 'utf8'))
    const precision = precisionOf(/^# precision=(\w+)/.exec(input)?.[1] ?? '')!
    expect(decode(input, precision)).toEqual(expected)
  })
})

/** Any text, with what is special to line protocol in plenty. */
const anything = fc.string({
  unit: fc.oneof(
    { weight: 3, arbitrary: fc.constantFrom(',', ' ', '=', '\\', '"', '\n', '\r', '\t', '#', '\0') },
    { weight: 2, arbitrary: fc.constantFrom('1', 't', 'v=1', 'm,device=d ', ' 7\n', '_flag', 'i', '-', '.') },
    fc.string({ unit: 'grapheme', minLength: 1, maxLength: 1 }),
  ),
  maxLength: 40,
})
const precisions = fc.constantFrom<Precision>('ns', 'us', 'ms', 's', 'm', 'h')

test('whatever comes, every line that says something is a reading or a bad line', () => {
  fc.assert(
    fc.property(anything, precisions, (text, precision) => {
      const { batches, bad } = decode(text, precision)
      const readings = batches.reduce((sum, batch) => sum + batch.readings.length, 0)
      // A string may hold line feeds, so there may be more lines than readings, never fewer.
      const lines = text.split(/\r?\n/).filter((line) => !/^[ \t\0]*(#.*)?$/s.test(line))
      expect(readings + bad.length).toBeLessThanOrEqual(lines.length)
      if (lines.length > 0) expect(readings + bad.length).toBeGreaterThan(0)
      if (!text.includes('"')) expect(readings + bad.length).toBe(lines.length)
      for (const { readings } of batches) expect(readings.length).toBeGreaterThan(0)
    }),
    { numRuns: 100_000 },
  )
})

test('a decimal number is the double that JavaScript reads in the same text, to the last bit', () => {
  const decimal = fc
    .tuple(fc.constantFrom('', '-'), fc.nat(), fc.option(fc.stringMatching(/^\d{1,18}$/)))
    .map(([sign, whole, fraction]) => `${sign}${whole}${fraction === null ? '' : `.${fraction}`}`)
  const number = fc.oneof(
    decimal,
    fc.double({ noNaN: true, noDefaultInfinity: true }).map(String),
    fc.constantFrom('-0', '-0.0', '0.1', '-.5', '1.', '000000000000001', '123456789012345', '1e-3'),
  )
  fc.assert(
    fc.property(number, (text) => {
      const [reading] = decode(`m v=${text.replace('e+', 'e')}`, 'ms').batches[0]!.readings
      expect((reading as { metrics: unknown }).metrics).toStrictEqual({ v: Number(text) })
    }),
    { numRuns: 20_000 },
  )
})

test('a line says the same after any other line as it says alone', () => {
  const value = fc.constantFrom(
    '1',
    '-2.5',
    '0',
    '0.5',
    '01',
    '-01.5',
    '.5',
    '1.',
    '-',
    '1.5i',
    '12345678901234567',
    '123456789012.345',
    'true',
    'f',
    '5i',
    '-5i',
    'i',
    '5u',
    '1e3',
    '"M"',
    '"x"',
  )
  const key = fc.constantFrom('a', 'b', 'c', 'a_flag', 'lon', 'lat', 'alt', '__proto__', '1', 'constructor')
  const line = fc
    .tuple(
      fc.array(fc.tuple(key, value), { minLength: 1, maxLength: 3 }),
      fc.option(fc.nat({ max: 2 ** 51 })),
    )
    .map(([fields, time]) => `m,device=d ${fields.map((field) => field.join('=')).join(',')} ${time ?? ''}`)
  fc.assert(
    fc.property(fc.array(line, { minLength: 1, maxLength: 6 }), precisions, (lines, precision) => {
      const alone = lines.map((text) => decode(text, precision))
      const together = decode(lines.join('\n'), precision)
      expect(together.batches.flatMap(({ readings }) => readings)).toStrictEqual(
        alone.flatMap(({ batches }) => batches.flatMap(({ readings }) => readings)),
      )
      expect(together.bad).toHaveLength(alone.filter(({ bad }) => bad.length > 0).length)
    }),
    { numRuns: 10_000 },
  )
})

test('a line between two others is read the same, whatever surrounds it', () => {
  const line = 'm,device=the-one v=1.5 7'
  const noQuotes = anything.filter((text) => !text.includes('"'))
  fc.assert(
    fc.property(noQuotes, noQuotes, (before, after) => {
      const { batches } = decode(`${before}\n${line}\n${after}`, 'ms')
      expect(batches).toContainEqual({
        kind: 'm',
        device: 'the-one',
        readings: [{ ts: 7, metrics: { v: 1.5 } }],
      })
    }),
    { numRuns: 2_000 },
  )
})

test('however much room a line takes as JSON, nothing of it is lost', () => {
  const name = fc.string({
    unit: fc.constantFrom('\x01', '\u2028', '\\=', '"', 'a'),
    minLength: 1,
    maxLength: 300,
  })
  const value = fc.constantFrom('1', '1e20', 'T', '"a\nb"', '"\x01"', '"\n\n\n"')
  const fields = fc.array(fc.tuple(name, value), { minLength: 1, maxLength: 6 })
  fc.assert(
    fc.property(fields, (fields) => {
      const line = fields.map(([key, value]) => `${key}=${value}`).join(',')
      const { batches, bad } = decode(`m,device=d ${line} 7`, 'ms')
      expect(bad).toEqual([])
      const [{ metrics }] = batches[0]!.readings as [{ metrics: Record<string, unknown> }]
      const named = fields.map(([key]) => key.replaceAll('\\=', '='))
      expect(new Set(Object.keys(metrics))).toEqual(new Set(named))
    }),
    { numRuns: 2_000 },
  )
})

test.each([
  ['no number', `${'1'.repeat(1 << 20)}x`],
  ['a number with an exponent that is none', `${'1'.repeat(1 << 20)}e`],
  ['an integer too long', `${'1'.repeat(1 << 20)}i`],
])('a megabyte of digits that is %s is looked at once', (_name, value) => {
  expect(decode(`m,device=d v=${value}`, 'ns').bad).toHaveLength(1)
})

test.each([
  ['no spaces', 'mmmmmmmmm\n'],
  ['escaped spaces', '\\ \\ \\ \\ \n'],
  ['commas', ',,,,,,,,,\n'],
])('a megabyte of %s is read in one go and gives one bad line for each', (_name, line) => {
  const { batches, bad } = decode(line.repeat(10_000), 'ns')
  expect(batches).toEqual([])
  expect(bad).toHaveLength(10_000)
  expect(bad.at(-1)).toMatchObject({ number: 10_000 })
})

test('a time stamp of any precision is cut to the millisecond that it fell into', () => {
  const at = (time: string, precision: Precision) =>
    (decode(`m v=1 ${time}`, precision).batches[0]!.readings[0] as { ts: number }).ts
  const below = fc.nat(999_999).map((value) => String(value).padStart(6, '0'))
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 4_102_444_799_999 }), below, (ms, rest) => {
      expect(at(`${ms}${rest}`, 'ns')).toBe(ms)
      expect(at(`${ms}${rest.slice(3)}`, 'us')).toBe(ms)
      expect(at(`${ms}`, 'ms')).toBe(ms)
      expect(at(`${ms}`, 's')).toBe(ms * 1000)
    }),
  )
})

test.each(['17180000001234567890', '171800000012345678901'])(
  'a time of more digits than 64 bits hold is a bad line, whatever came before: %s',
  (time) => {
    const alike = 'm,device=a f=1 1718000000123456789\n'.repeat(3)
    const alone = decode(`m,device=a f=1 ${time}`, 'ns').bad
    expect(alone).toHaveLength(1)
    expect(decode(`${alike}m,device=a f=1 ${time}`, 'ns').bad).toEqual([{ ...alone[0], number: 4 }])
  },
)

test('whole numbers say the same in the first line and in those like it', () => {
  const whole = fc.integer({ min: -2_000_000_000, max: 2_000_000_000 })
  fc.assert(
    fc.property(fc.array(whole, { minLength: 1, maxLength: 6 }), (values) => {
      const lines = values.map((value, index) => `m,device=a f=${value}i,g=${value} ${index + 1}`)
      const metrics = values.map((value) => ({ f: value, g: value }))
      const { readings } = decode(lines.join('\n'), 'ms').batches[0]!
      expect(readings.map((reading) => (reading as { metrics: object }).metrics)).toEqual(metrics)
    }),
  )
})

test('messages hold no more than they may, and together everything in order', () => {
  const limits = fc.record({
    readings: fc.integer({ min: 1, max: 5 }),
    bytes: fc.integer({ min: 1, max: 200 }),
  })
  fc.assert(
    fc.property(
      fc.array(fc.integer({ min: 0, max: 1e9 }), { minLength: 1, maxLength: 20 }),
      limits,
      (values, limits) => {
        const input = Buffer.from(values.map((value) => `m v=${value} 7`).join('\n'))
        const { messages } = decodeBytes(input, 'ms', limits).batches[0]!
        const read = messages.map(({ readings }) => readings as { metrics: { v: number } }[])
        expect(read.flat().map((reading) => reading.metrics.v)).toEqual(values)
        for (const message of read) {
          expect(message.length).toBeLessThanOrEqual(limits.readings)
          const bytes = message.reduce((sum, { metrics }) => sum + `m v=${metrics.v} 7`.length, 0)
          if (message.length > 1) expect(bytes).toBeLessThanOrEqual(limits.bytes)
        }
      },
    ),
  )
})
