import { chmodSync, mkdirSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { parse } from 'csv-parse/sync'
import * as fc from 'fast-check'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { ADMIN_TOKEN_FILE, adminToken } from './admin-token.ts'
import { csvLine } from './csv-line.ts'
import { importDevices } from './import.ts'
import { deviceOf, RegistryFolder, type Registry } from './registry.fixture.ts'
import { isGenerated } from './secrets.ts'

let folder: RegistryFolder
let registry: Registry
beforeEach(() => {
  folder = new RegistryFolder()
  registry = folder.open()
})
afterEach(() => folder.remove())

const load = (text: string | Uint8Array, options?: { partial?: boolean }) =>
  importDevices(registry.devices, Buffer.from(text as string), options)

const HEADER = 'id,kind,site,street,grid'
const line = (id: string) => `${id},cooking_fume,site-1,wenfeng,wenfeng-001`

test('a file registers its devices, with place, secret and attributes', async () => {
  const { created, problems } = await load(
    `\uFEFF${HEADER},lon,lat,alt,secret,attr.fume_limit,attr.code,attr.indoor,attr.name\r\n` +
      `${line('a')},120.857,32.01,12,my own secret,1.5,007,true,"唐闸, 一号"\r\n` +
      `\r\n${line('b')},120.857,32.01,,,,,,\r\n`,
  )
  expect(problems).toEqual([])
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

const MIXED = [
  HEADER.concat(',lon,lat,secret'),
  `${line('good')},,,`,
  `${line('bad id')},,,`,
  `teapot-1,teapot,site-1,wenfeng,wenfeng-001,,,`,
  `${line('short')},,`,
  `${line('half')},120.857,,`,
  `${line('good')},,,`,
  `${line('weak')},,,123`,
].join('\n')
const MIXED_PROBLEMS = [
  [3, /id: "bad id"/],
  [4, /kind: "teapot" is not known/],
  [5, /7 cells; expected 8/],
  [6, /position/],
  [7, /id: "good" is on line 2 already/],
  [8, /secret: 3 bytes long/],
] as const

test('one bad line keeps all others out, and every bad line is named', async () => {
  const { created, problems } = await load(MIXED)
  expect(created).toEqual([])
  expect(registry.devices.size).toBe(0)
  expect(problems.map((problem) => problem.line)).toEqual(MIXED_PROBLEMS.map(([at]) => at))
  for (const [i, [, message]] of MIXED_PROBLEMS.entries()) expect(problems[i]!.message).toMatch(message)
})

test('a partial import lets the good lines in and still names the bad ones', async () => {
  const { created, problems } = await load(MIXED, { partial: true })
  expect(created.map(({ id }) => id)).toEqual(['good'])
  expect(problems).toHaveLength(MIXED_PROBLEMS.length)
})

test('a second import of the same file changes nothing', async () => {
  await load(`${HEADER}\n${line('a')}\n`)
  const { created, problems } = await load(`${HEADER}\n${line('b')}\n${line('a')}\n`)
  expect(created).toEqual([])
  expect(problems).toEqual([{ line: 3, message: 'id: "a" is registered already' }])
})

test.each<[string, string | Uint8Array, RegExp]>([
  ['an empty file', '', /header: id, kind, site, street, grid missing/],
  ['a header without kind', 'id,site,street,grid\n', /header: kind missing/],
  ['a header with an unknown column', `${HEADER},colour\n`, /header: "colour" is unknown; expected id/],
  ['a header that repeats itself', `${HEADER},id\n`, /header: "id" is there twice/],
  ['an open quote', `${HEADER}\n"a`, /Quote Not Closed/],
  ['another encoding', Buffer.from([0xc4, 0xcf, 0xcd, 0xa8]), /not UTF-8 text/],
  ['a row without end', `${HEADER}\n${'x'.repeat(70_000)}`, /Max Record Size/],
])('%s is refused as a whole', async (_, text, message) => {
  const { created, problems } = await load(text)
  expect(created).toEqual([])
  expect(problems[0]!.message).toMatch(message)
})

test('progress counts up to the number of devices', async () => {
  const seen: number[] = []
  const text = Buffer.from([HEADER, line('a'), line('b'), line('c')].join('\n'))
  await importDevices(registry.devices, text, { progress: (done, of) => seen.push(done / of) })
  expect(seen).toEqual([1 / 3, 2 / 3, 1])
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
