import * as fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { LineProtocol, Unwritable } from '../../gateway/historian/line-protocol.ts'
import { hasInfluxd, Influxd } from '../services/influxd.ts'

const origin = { kind: 'cooking_fume', device: 'd', site: 's', street: 'wenfeng', grid: 'wenfeng-001' }
const number = fc.double({ noNaN: true, noDefaultInfinity: true })
/** Any text, with what is special to line protocol in plenty. */
const text = fc.string({
  unit: fc.oneof(
    fc.constantFrom(',', ' ', '=', '\\', '"', '\n', '\r', '\t', '#', "'", '网', '\0'),
    fc.string({ unit: 'grapheme', minLength: 1, maxLength: 1 }),
  ),
  maxLength: 12,
})

describe.skipIf(!hasInfluxd)('line protocol as a real InfluxDB reads it', () => {
  const protocol = new LineProtocol()
  let influxd: Influxd
  beforeAll(async () => {
    influxd = await Influxd.launch()
    await influxd.query('CREATE DATABASE names')
  })
  afterAll(() => influxd.dispose())

  async function write(lines: readonly string[]): Promise<void> {
    const response = await fetch(`${influxd.url}/write?db=names&precision=ms`, {
      method: 'POST',
      body: lines.join('\n'),
    })
    expect(await response.text()).toBe('')
  }

  test('whatever the names, it reads the same tags and value', async () => {
    const expected: unknown[][] = []
    const lines: string[] = []
    for (const [device, site] of fc.sample(fc.tuple(text, text), { numRuns: 1_000, seed: 7 })) {
      const ts = 1_700_000_000_000 + expected.length
      try {
        lines.push(protocol.reading({ ...origin, device, site }, { ts, metrics: { fume: ts % 97 } }))
      } catch (error) {
        expect(error).toBeInstanceOf(Unwritable)
        continue
      }
      // An empty tag is no tag.
      expected.push([ts, device === '' ? null : device, site === '' ? null : site, ts % 97])
    }
    await write(lines)
    expect(expected.length).toBeGreaterThan(200)
    expect(await influxd.query('SELECT device, site, fume FROM cooking_fume', 'names')).toEqual(expected)
  })

  test('whatever the kind and the metric, it reads the same value', async () => {
    for (const [kind, metric] of fc.sample(fc.tuple(text, text), { numRuns: 100, seed: 7 })) {
      let line: string
      try {
        line = protocol.reading({ ...origin, kind }, { ts: 5, metrics: { [metric]: 1 } })
      } catch (error) {
        expect(error).toBeInstanceOf(Unwritable)
        continue
      }
      await write([line])
      const found = await fetch(`${influxd.url}/query?db=names&epoch=ms&q=SELECT+*+FROM+/.*/+WHERE+time=5ms`)
      expect(await found.json()).toMatchObject({
        results: [{ series: [{ name: kind, columns: expect.arrayContaining([metric]) as string[] }] }],
      })
      await influxd.query('DELETE WHERE time = 5ms', 'names')
    }
  })

  test('whatever the number, it reads the same one', async () => {
    const values = fc.sample(number, { numRuns: 500, seed: 7 })
    const kind = { ...origin, kind: 'numbers' }
    await write(values.map((value, ts) => protocol.reading(kind, { ts, metrics: { value } })))
    expect(await influxd.query('SELECT value FROM numbers', 'names')).toEqual(
      values.map((value, ts) => [ts, value === 0 ? 0 : value]),
    )
  })
})
