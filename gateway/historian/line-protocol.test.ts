import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { FLAGS, type Origin, type Reading } from '../model/reading.ts'
import { LineProtocol, Unwritable } from './line-protocol.ts'

const origin: Origin = {
  device: 'fume-1',
  kind: 'cooking_fume',
  site: 's1',
  street: 'wenfeng',
  grid: 'wenfeng-001',
}
const head = 'cooking_fume,device=fume-1,site=s1,street=wenfeng,grid=wenfeng-001'

describe('a reading is one line in the layout of contract §6', () => {
  test.each<[string, Reading, string]>([
    ['a number is a float', { ts: 1, metrics: { fume: 2 } }, 'fume=2 1'],
    ['a boolean stays one', { ts: 1, metrics: { fan: true, purifier: false } }, 'fan=true,purifier=false 1'],
    [
      'a flag is a string',
      { ts: 1, metrics: { fume: 2.5 }, flags: { fume: 'M' } },
      'fume=2.5,fume_flag="M" 1',
    ],
    ['N is left out', { ts: 1, metrics: { fume: 2.5 }, flags: { fume: 'N' } }, 'fume=2.5 1'],
    [
      'a position is two fields',
      { ts: 1, metrics: { ph: 7 }, position: [120.857, 32.01] },
      'ph=7,lon=120.857,lat=32.01 1',
    ],
    [
      'or three',
      { ts: 1, metrics: { ph: 7 }, position: [120.857, 32.01, 12] },
      'ph=7,lon=120.857,lat=32.01,alt=12 1',
    ],
    ['time before 1970', { ts: -5, metrics: { ph: 7 } }, 'ph=7 -5'],
    ['very large and small', { ts: 1, metrics: { a: 1e21, b: 1e-7, c: -0 } }, 'a=1e+21,b=1e-7,c=0 1'],
  ])('%s', (_name, reading, expected) => {
    expect(new LineProtocol().reading(origin, reading)).toBe(`${head} ${expected}`)
  })

  test('nothing to store is no line', () => {
    expect(new LineProtocol().reading(origin, { ts: 1, metrics: {} })).toBe('')
    expect(new LineProtocol().reading(origin, { ts: 1, metrics: {}, flags: { fume: 'N' } })).toBe('')
  })

  test('an alarm', () => {
    const line = new LineProtocol().alarm({
      seq: 1,
      at: 5,
      alarm: {
        id: 'a',
        rule: 'fume-over-limit',
        ruleVersion: 1,
        device: 'fume-1',
        kind: 'cooking_fume',
        site: 's1',
        street: 'wenfeng',
        grid: 'wenfeng-001',
        severity: 'orange',
        state: 'firing',
        startedAt: 5,
        clearedAt: null,
        peak: 2.5,
        value: 2.5,
        case: null,
      },
    })
    expect(line).toBe(
      'alarm,rule=fume-over-limit,device=fume-1,street=wenfeng,severity=orange state="firing" 5',
    )
  })
})

/** Any text, with what is special to line protocol in plenty. */
const text = fc.string({
  unit: fc.oneof(
    fc.constantFrom(',', ' ', '=', '\\', '"', '\n', '\r', '\t', '#', "'", '网', '\0'),
    fc.string({ unit: 'grapheme', minLength: 1, maxLength: 1 }),
  ),
  maxLength: 12,
})
const origins = fc.record({ device: text, kind: text, site: text, street: text, grid: text })
const readings = fc.record(
  {
    ts: fc.integer({ min: 0, max: 4_000_000_000_000 }),
    metrics: fc.dictionary(
      text,
      fc.oneof(fc.double({ noNaN: true, noDefaultInfinity: true }), fc.boolean()),
      {
        minKeys: 1,
        maxKeys: 4,
        noNullPrototype: true,
      },
    ),
    flags: fc.dictionary(text, fc.constantFrom(...FLAGS), { maxKeys: 2, noNullPrototype: true }),
    position: fc.tuple(
      fc.double({ noNaN: true, noDefaultInfinity: true }),
      fc.double({ noNaN: true, noDefaultInfinity: true }),
    ),
  },
  { requiredKeys: ['ts', 'metrics'] },
) as fc.Arbitrary<Reading>

test('whatever the names, a line reads back as the same reading, or is refused', () => {
  fc.assert(
    fc.property(origins, readings, (origin, reading) => {
      let line: string
      try {
        line = new LineProtocol().reading(origin, reading)
      } catch (error) {
        expect(error).toBeInstanceOf(Unwritable)
        return
      }
      expect(line).not.toMatch(/[\n\r]/)
      expect(parse(line)).toEqual(meaning(origin, reading))
    }),
    { numRuns: 2_000 },
  )
})

interface Meaning {
  measurement: string
  tags: Record<string, string>
  fields: Record<string, string | number | boolean>
  ts: number
}

function meaning(origin: Origin, reading: Reading): Meaning {
  const { kind: measurement, ...tags } = origin
  const fields: Meaning['fields'] = {}
  for (const [name, value] of Object.entries(reading.metrics)) set(fields, name, value === 0 ? 0 : value)
  for (const [name, flag] of Object.entries(reading.flags ?? {}))
    if (flag !== 'N') set(fields, `${name}_flag`, flag)
  if (reading.position !== undefined) {
    fields['lon'] = reading.position[0] === 0 ? 0 : reading.position[0]
    fields['lat'] = reading.position[1] === 0 ? 0 : reading.position[1]
  }
  return {
    measurement,
    tags: Object.fromEntries(Object.entries(tags).filter(([, value]) => value !== '')),
    fields,
    ts: reading.ts,
  }
}

/** A key may be `__proto__`: plain assignment would lose it. */
function set<T>(record: Record<string, T>, key: string, value: T): void {
  Object.defineProperty(record, key, { value, enumerable: true, configurable: true, writable: true })
}

/** A strict reader of line protocol: an escaping backslash stands before a special character, any other is itself. */
function parse(line: string): Meaning {
  let at = 0
  const until = (ends: string, special: string): string => {
    let out = ''
    while (at < line.length && !ends.includes(line[at]!)) {
      if (line[at] === '\\' && at + 1 < line.length && special.includes(line[at + 1]!)) at++
      out += line[at++]
    }
    return out
  }
  const quoted = (): string => {
    let out = ''
    at++
    while (line[at] !== '"') {
      if (line[at] === '\\') at++
      out += line[at++]!
    }
    at++
    return out
  }
  const measurement = until(', ', ', ')
  const tags: Meaning['tags'] = {}
  while (line[at] === ',') {
    at++
    const key = until('=', ',= ')
    at++
    set(tags, key, until(', ', ',= '))
  }
  const fields: Meaning['fields'] = {}
  do {
    at++
    const key = until('=', ',= ')
    at++
    if (line[at] === '"') set(fields, key, quoted())
    else {
      const value = until(', ', '')
      set(fields, key, value === 'true' ? true : value === 'false' ? false : Number(value))
    }
  } while (line[at] === ',')
  at++
  return { measurement, tags, fields, ts: Number(line.slice(at)) }
}
