import { chmodSync, mkdirSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { parse } from 'csv-parse/sync'
import * as fc from 'fast-check'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { ADMIN_TOKEN_FILE, adminToken } from './admin-token.ts'
import { csvLine } from './csv-line.ts'
import { readDeviceFile } from './import.ts'
import { deviceOf, RegistryFolder, type Registry } from './registry.fixture.ts'
import { isGenerated } from './secrets.ts'

let folder: RegistryFolder
let registry: Registry
beforeEach(() => {
  folder = new RegistryFolder()
  registry = folder.open()
})
afterEach(() => folder.remove())

const read = (text: string | Uint8Array) => readDeviceFile(Buffer.from(text as string))

const HEADER = 'id,kind,site,street,grid'
const line = (id: string) => `${id},cooking_fume,site-1,wenfeng,wenfeng-001`

test('a file names its devices, with place, secret and attributes, as the registry takes them', async () => {
  const { rows, problems } = read(
    `\uFEFF${HEADER},lon,lat,alt,secret,attr.fume_limit,attr.code,attr.indoor,attr.name\r\n` +
      `${line('a')},120.857,32.01,12,my own secret,1.5,007,true,"唐闸, 一号"\r\n` +
      `\r\n${line('b')},120.857,32.01,,,,,,\r\n`,
  )
  expect(problems).toEqual([])
  const created = await registry.devices.createAll(rows)
  expect(created.map(({ id }) => id)).toEqual(['a', 'b'])
  expect(created[0]!.secret).toBe('my own secret')
  expect(isGenerated(created[1]!.secret)).toBe(true)
  expect(registry.devices.get('a')).toEqual({
    ...deviceOf('a'),
    position: [120.857, 32.01, 12],
    attributes: { fume_limit: 1.5, code: '007', indoor: true, name: '唐闸, 一号' },
  })
  expect(registry.devices.get('b')).toEqual({ ...deviceOf('b'), position: [120.857, 32.01] })
})

test('every line that is not right in itself is named, and the others are still read', () => {
  const { rows, problems } = read(
    [HEADER, line('good'), line('short').slice(0, -12), line('good')].join('\n'),
  )
  expect(rows.map((row) => row.line)).toEqual([2])
  expect(problems).toEqual([
    { line: 3, message: '4 cells; expected 5 as in the header' },
    { line: 4, message: 'id: "good" is on line 2 already' },
  ])
})

test('half a place is kept for the registry to refuse', async () => {
  const { rows, problems } = read(`${HEADER},lon,lat\n${line('half')},120.857,\n`)
  expect(problems).toEqual([])
  await expect(registry.devices.createAll(rows)).rejects.toThrow(/position/)
})

test.each<[string, string | Uint8Array, RegExp]>([
  ['an empty file', '', /header: id, kind, site, street, grid missing/],
  ['a header without kind', 'id,site,street,grid\n', /header: kind missing/],
  ['a header with an unknown column', `${HEADER},colour\n`, /header: "colour" is unknown; expected id/],
  ['a header that repeats itself', `${HEADER},id\n`, /header: "id" is there twice/],
  ['an open quote', `${HEADER}\n"a`, /Quote Not Closed/],
  ['another encoding', Buffer.from([0xc4, 0xcf, 0xcd, 0xa8]), /not UTF-8 text/],
  ['a row without end', `${HEADER}\n${'x'.repeat(70_000)}`, /Max Record Size/],
])('%s is refused as a whole', (_, text, message) => {
  const { rows, problems } = read(text)
  expect(rows).toEqual([])
  expect(problems[0]!.message).toMatch(message)
})

describe('CSV that is written', () => {
  test.each(['=1+1', '+1', '-1', '@SUM(A1)', '\t=1', '\r=1', '＝1'])(
    '%j cannot be run as a formula',
    (cell) => {
      const [[read]] = parse(csvLine([cell])) as [[string]]
      expect(read).toBe(`'${cell}`)
    },
  )

  test('reads back as what it was', () => {
    const harmless = fc.string({ unit: 'grapheme' }).filter((text) => !/^[=+\-@\t\r\n＝＋－＠]/.test(text))
    fc.assert(
      fc.property(fc.array(harmless, { minLength: 2, maxLength: 5 }), (cells) => {
        expect(parse(csvLine(cells))).toEqual([cells])
      }),
    )
  })
})

describe('the admin token', () => {
  test('is the configured one, and then no file is written', () => {
    expect(adminToken('a-configured-token', folder.path)).toBe('a-configured-token')
    expect(() => statSync(join(folder.path, ADMIN_TOKEN_FILE))).toThrow(/ENOENT/)
  })

  test('is random, for the owner’s eyes only, and the same at the next start', () => {
    const token = adminToken(undefined, folder.path)
    const file = join(folder.path, ADMIN_TOKEN_FILE)
    expect(isGenerated(token)).toBe(true)
    expect(readFileSync(file, 'utf8')).toBe(`${token}\n`)
    expect(statSync(file).mode & 0o777).toBe(0o600)
    chmodSync(file, 0o644)
    expect(adminToken(undefined, folder.path)).toBe(token)
    expect(statSync(file).mode & 0o777).toBe(0o600)
  })

  test('is never an empty file', () => {
    const dataDir = join(folder.path, 'data')
    mkdirSync(dataDir)
    writeFileSync(join(dataDir, ADMIN_TOKEN_FILE), '\n')
    expect(() => adminToken(undefined, dataDir)).toThrow(/holds 0 characters/)
  })
})
