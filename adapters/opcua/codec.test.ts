import { readdirSync, readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { markOf, Samples, type Sample } from './codec.ts'

const cases = fileURLToPath(new URL('./testcases', import.meta.url))

describe('testcases', () => {
  /** `input`: publications, each a list of samples with statuses in hexadecimal; `expected`: the readings of each. */
  test.each(readdirSync(cases))('%s', (name) => {
    const read = (file: string): unknown => JSON.parse(readFileSync(`${cases}/${name}/${file}`, 'utf8'))
    const samples = new Samples()
    const publications = read('input') as (Omit<Sample, 'status'> & { status: string })[][]
    const readings = publications.map((publication) =>
      samples.readings(publication.map((sample) => ({ ...sample, status: Number(sample.status) }))),
    )
    expect(readings).toEqual(read('expected'))
  })
})

const status = fc.oneof(
  fc.constantFrom(0, 0x80050000, 0x808c0000, 0x408f0000, 0x40920000, 0x00960000),
  fc.integer({ min: 0, max: 0xffffffff }),
)
const sample: fc.Arbitrary<Sample> = fc.record({
  metric: fc.constantFrom('ph', 'do', 'flow'),
  value: fc.oneof(fc.double(), fc.boolean(), fc.constantFrom('text', null, undefined, [1, 2])),
  status,
  ts: fc.option(fc.integer({ min: 0, max: 5 })),
})

test('whatever comes: a value is stored unmarked only when its quality is Good, and a Bad one never', () => {
  fc.assert(
    fc.property(fc.array(sample, { maxLength: 8 }), (list) => {
      const samples = new Samples()
      for (const reading of samples.readings(list)) {
        expect(Object.keys(reading.metrics).length).toBeGreaterThan(0)
        for (const [metric, value] of Object.entries(reading.metrics)) {
          const isUnmarked = reading.flags?.[metric] === undefined
          const source = list.filter((one) => one.metric === metric && Object.is(one.value, value))
          expect(source.some((one) => one.status >>> 31 === 0)).toBe(true)
          if (isUnmarked) expect(source.some((one) => one.status >>> 30 === 0)).toBe(true)
        }
      }
    }),
    { numRuns: 100_000 },
  )
})

test('every quality has a mark, and only Good has none', () => {
  fc.assert(
    fc.property(status, (code) => {
      if (markOf(code) === 'N') expect(code >>> 30).toBe(0)
      else expect('BCDFST').toContain(markOf(code))
    }),
  )
})
