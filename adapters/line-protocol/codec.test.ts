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
      const readings = messages.flatMap(({ json, readings }) => {
        const parsed = JSON.parse(Buffer.from(json).toString()) as unknown[]
        // Whatever the text: what comes along with the bytes is what they say.
        if (readings !== undefined) expect(readings).toStrictEqual(parsed)
        return parsed
      })
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

test('numbers, booleans and times that come along with the bytes are what the bytes say, to the last bit', () => {
  const decimal = fc
    .tuple(fc.constantFrom('', '-'), fc.nat(), fc.option(fc.stringMatching(/^\d{1,18}$/)))
    .map(([sign, whole, fraction]) => `${sign}${whole}${fraction === null ? '' : `.${fraction}`}`)
  const value = fc.oneof(
    decimal,
    fc.double({ noNaN: true, noDefaultInfinity: true }).map(String),
    fc.constantFrom('-0', '-0.0', '0.1', 'true', 'false', 't', '5i', '1.', '.5', '00', '1e3', '"x"'),
  )
  const key = fc.constantFrom('a', 'b', 'c', 'a_flag', 'lon', 'lat', '__proto__', '1', 'constructor')
  const line = fc.tuple(
    fc.array(fc.tuple(key, value), { minLength: 1, maxLength: 4 }),
    fc.option(fc.nat({ max: 2 ** 51 })),
  )
  fc.assert(
    fc.property(fc.array(line, { minLength: 1, maxLength: 6 }), precisions, (lines, precision) => {
      const text = lines.map(
        ([fields, time]) => `m,device=d ${fields.map((field) => field.join('=')).join(',')} ${time ?? ''}`,
      )
      decode(text.join('\n'), precision)
    }),
    { numRuns: 20_000 },
  )
  const { batches } = decodeBytes(Buffer.from('m v=1.5,b=true 7\nm v=2,b=false 8\nm b=true 9\n'), 'ms', {
    readings: 1000,
    bytes: 1 << 20,
  })
  expect(batches[0]!.messages[0]!.readings).toEqual([
    { metrics: { v: 1.5, b: true }, ts: 7 },
    { metrics: { v: 2, b: false }, ts: 8 },
    { metrics: { b: true }, ts: 9 },
  ])
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
        const read = messages.map(
          (message) => JSON.parse(Buffer.from(message.json).toString()) as { metrics: { v: number } }[],
        )
        expect(read.flat().map((reading) => reading.metrics.v)).toEqual(values)
        for (const [i, message] of messages.entries()) {
          expect(read[i]!.length).toBeLessThanOrEqual(limits.readings)
          if (read[i]!.length > 1) expect(message.json.length).toBeLessThanOrEqual(limits.bytes)
        }
      },
    ),
  )
})
