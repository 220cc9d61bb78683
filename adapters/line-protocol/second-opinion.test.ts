import * as fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { hasInfluxd, Influxd } from '../../test/services/influxd.ts'
import { decode } from './codec.ts'

/** Pieces that meet at every rule of the grammar. */
const piece = fc.oneof(
  fc.constantFrom('d', 'v', '网', '\\,', '\\=', '\\ ', '\\', 'a\\b', '#'),
  fc.constantFrom(',', '=', ' ', '  ', '"', '\\"'),
)
const name = fc.array(piece, { minLength: 1, maxLength: 3 }).map((pieces) => pieces.join(''))
/** InfluxDB 1.6 takes `device==` by mistake. */
const tagValue = name.filter((text) => !text.startsWith('='))
/** In field keys alone it reads two backslashes as one thing, against its own documentation. */
const key = name.map((text) => `f${text}`).filter((text) => !text.includes('\\\\'))
const value = fc.oneof(
  fc.constantFrom('1', '-1.5', '.5', '1.', '1e5', '1E-5', '3i', '-3i', 't', 'F', 'True', 'FALSE', '01', '-0'),
  fc.constantFrom(
    '',
    '+1',
    '1e',
    'NaN',
    'inf',
    '0x1',
    '-',
    '1.5i',
    'tRue',
    '1_0',
    '"x"',
    '"a b,c=d"',
    '"',
    '1 1',
  ),
)
const time = fc.constantFrom('', ' 7', '  7  ', ' -7', ' x', ' 1.5', ' +7', ' 7 8', ' 99999999999999999999')
const line = fc
  .tuple(fc.option(tagValue), fc.option(tagValue), key, value, time)
  .map(([tag, more, field, written, ts]) => {
    const tags = [tag === null ? '' : `,device=${tag}`, more === null ? '' : `,x=${more}`].join('')
    return `kind${tags} ${field}=${written}${ts}`
  })

describe.skipIf(!hasInfluxd)('a line is line protocol here when a real InfluxDB takes it', () => {
  let influxd: Influxd
  beforeAll(async () => {
    influxd = await Influxd.launch()
  })
  afterAll(() => influxd.dispose())

  test('lines of all sorts', async () => {
    let number = 0
    const differences: string[] = []
    await fc.assert(
      fc.asyncProperty(fc.array(line, { minLength: 20, maxLength: 20 }), async (lines) => {
        // A field's type is that of its first point: each line needs a database of its own to be judged alone.
        await Promise.all(
          lines.map(async (text) => {
            const database = `d${number++}`
            await influxd.query(`CREATE DATABASE ${database}`)
            const url = `${influxd.url}/write?db=${database}&precision=ms`
            const answer = await fetch(url, { method: 'POST', body: text })
            const { bad } = decode(Buffer.from(text), 'ms', { readings: 1000, bytes: 1 << 20 })
            const reason = (await answer.text()).trim()
            if (answer.ok !== (bad.length === 0))
              differences.push(
                `${JSON.stringify(text)}: InfluxDB ${answer.status} ${reason}; here ${JSON.stringify(bad)}`,
              )
          }),
        )
      }),
      { numRuns: 15 },
    )
    expect(differences).toEqual([])
  })
})
