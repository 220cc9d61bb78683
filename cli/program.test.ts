import { execFile } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { FakeGateway } from '../simulators/gateway.fixture.ts'
import { runProgram } from './program.ts'

const root = fileURLToPath(new URL('..', import.meta.url))

let gateway: FakeGateway
let folder: string

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'cli-'))
})
afterAll(() => rmSync(folder, { recursive: true, force: true }))
beforeEach(async () => {
  gateway = new FakeGateway()
  await gateway.start()
})
afterEach(async () => {
  await gateway.stop()
})

interface Outcome {
  code: number
  out: string
  err: string
}

async function run(args: readonly string[], command = 'cli/gridwhistle.ts'): Promise<Outcome> {
  const env = { ...process.env, GW_DATA_DIR: folder, GW_ADMIN_TOKEN: gateway.token }
  return await new Promise((resolve) => {
    execFile(process.execPath, [join(root, command), ...args], { env, cwd: folder }, (error, out, err) => {
      resolve({ code: error === null ? 0 : Number(error.code), out, err })
    })
  })
}

function file(name: string, text: string): string {
  const path = join(folder, name)
  writeFileSync(path, text)
  return path
}

/** In this process: enough where nothing is printed but help and complaints. */
async function quick(args: readonly string[]): Promise<Outcome> {
  let out = ''
  let err = ''
  const code = await runProgram(args, {
    out: (text) => {
      out += text
    },
    err: (text) => {
      err += text
    },
  })
  return { code, out, err }
}

describe('help', () => {
  test.each([
    [['--help'], 'Usage: gridwhistle [options] [command]'],
    [['devices', 'import', '--help'], 'gridwhistle devices import kitchens.csv'],
    [['devices', 'list', '--help'], 'gridwhistle devices list --kind'],
    [['rules', 'check', '--help'], 'gridwhistle rules check rules/packs'],
    [['rules', 'diff', '--help'], 'gridwhistle rules diff rules/packs'],
    [['rules', 'precision', '--help'], 'gridwhistle rules precision --by device'],
    [['rules', 'suggest', '--help'], 'gridwhistle rules suggest fume-over-limit'],
    [['replay', '--help'], 'gridwhistle replay river.csv.gz'],
    [['simulate', '--help'], 'gridwhistle simulate demo'],
    [['load', '--help'], 'gridwhistle load --devices'],
    [['journal', 'verify', '--help'], 'gridwhistle journal verify'],
    [['report', 'sections', '--help'], 'gridwhistle report sections --month 2026-10'],
    [['hj212', 'decode', '--help'], 'gridwhistle hj212 decode'],
    [['user', 'add', '--help'], 'gridwhistle user add'],
    [['user', 'token', '--help'], 'gridwhistle user token'],
    [['audit', 'verify', '--help'], 'gridwhistle audit verify'],
  ])('%j has an example and exits with 0', async (args, example) => {
    const { code, out, err } = await quick(args)
    expect({ code, err }).toEqual({ code: 0, err: '' })
    expect(out).toContain(example)
  })
})

describe('wrong usage exits with 2 and says what was expected', () => {
  test.each([
    [['nonsense'], "unknown command 'nonsense'"],
    [['load', '--devices', '0x10'], 'Expected a whole number'],
    [['load', '--devices', '999999'], 'Expected a whole number from 0 to 19500'],
    [['load', '--duration', '2h'], 'Expected at most 1h'],
    [['load', '--duration', 'soon'], 'not a duration such as 90s'],
    [['load', '--to', 'mqtt://gateway.example:1883'], 'another machine'],
    [['load', '--qos', '3'], 'Allowed choices are 0, 1, 2'],
    [['load', '--qos', '0', '--token', 'x'], 'give a rate'],
    [['load', '--devices', '0', '--rate', '1', '--token', 'x'], 'devices must be 1 to'],
    [['simulate'], "missing required argument 'scenario'"],
    [['simulate', 'demo', '--speed', '0'], 'Expected a number above 0'],
    [['simulate', 'demo', '--speed', '2', '--token', 'x'], 'needs a duration'],
    [['simulate', 'no-such.yaml'], 'no-such.yaml: cannot be read'],
    [['replay', 'x.csv'], 'a csv file needs a map'],
    [['replay', 'x.csv', '--map', 'none.yaml'], 'none.yaml: cannot be read'],
    [['replay', 'x.csv', '--map', 'usgs-01581752', '--shift', 'later'], 'Expected now, none or a time'],
    [['replay', 'x.csv', '--map', 'usgs-01581752', '--to', 'here'], 'Expected an address'],
    [['user', 'add', 'li-si', '--role', 'king'], 'Allowed choices are admin'],
    [['report', 'sections'], "required option '--month <month>'"],
    [['report', 'sections', '--month', '2026-13'], 'Expected a month such as 2026-10'],
    [['journal', 'verify', '--config', 'none.yaml'], 'none.yaml: cannot be read'],
  ])('%j', async (args, message) => {
    const { code, out, err } = await quick(args)
    expect(err).toContain(message)
    expect({ code, out }).toEqual({ code: 2, out: '' })
  })
})

describe('a failed job exits with 1 and says why in one line', () => {
  test.each([
    [['devices', 'list', '--url', 'http://127.0.0.1:9', '--token', 'x'], 'cannot reach http://127.0.0.1:9'],
    [['devices', 'import', 'none.csv'], 'none.csv'],
    [['replay', 'none.csv', '--map', 'usgs-01581752'], 'none.csv'],
    [['journal', 'verify', 'none.db'], 'unable to open'],
    [['rules', 'check', 'none.yaml'], 'none.yaml: cannot be read'],
  ])('%j', async (args, message) => {
    const { code, err } = await quick(args)
    expect(err).toContain(message)
    expect(err.trim().split('\n')).toHaveLength(1)
    expect(code).toBe(1)
  })
})

describe('rules check', () => {
  test('takes the built-in packs', async () => {
    const packs = ['cooking-fume', 'river', 'flood', 'drone'].map((name) =>
      join(root, `rules/packs/${name}.yaml`),
    )
    const { code, out } = await run(['rules', 'check', '--json', ...packs])
    expect(code).toBe(0)
    expect(JSON.parse(out)).toMatchObject({ ok: true, problems: [] })
  })

  test('takes the rule files of a folder, as rules.dir would, and says so of one that has none', async () => {
    const { code, out } = await run(['rules', 'check', join(root, 'rules/packs')])
    expect([code, out]).toEqual([0, expect.stringMatching(/^\d\d rules in 10 files, all right\n$/)])
    const none = await run(['rules', 'check', join(root, 'rules/testcases')])
    expect(none.code).toBe(1)
    expect(none.err).toContain('rules/testcases: holds no rule file; expected at least one .yaml')
    expect(none.err).not.toContain('EISDIR')
  })

  test('knows the areas of the district that --config names', async () => {
    const district = `id: small
title: { en: Small, zh: 小 }
centre: [120, 32]
streets: [{ id: east, title: { en: East, zh: 东 }, centre: [120, 32], grids: 2 }]
teams: [{ id: centre, level: district, title: { en: C, zh: C } }]
areas:
  - id: harbour
    title: { en: Harbour, zh: 港 }
    geometry: { type: Polygon, coordinates: [[[120, 32], [121, 32], [121, 33], [120, 32]]] }
`
    const config = file('gateway.yaml', `district: { file: ${file('district.yaml', district)} }`)
    const rule = file(
      'harbour.yaml',
      `rules:
  - id: in-harbour
    version: 1
    kind: drone
    title: { en: In the harbour, zh: 在港 }
    basis: test
    severity: { red: { insideArea: harbour } }
`,
    )
    const known = await run(['rules', 'check', rule, '--config', config])
    expect(known).toMatchObject({ code: 0, out: '1 rule in 1 file, all right\n' })
    const { code, err } = await run(['rules', 'check', rule])
    expect(code).toBe(1)
    expect(err).toContain('"harbour" is no area of this file or of the district')
  })

  test('knows the categories of the district that --config names', async () => {
    const district = `id: small
title: { en: Small, zh: 小 }
centre: [120, 32]
streets: [{ id: east, title: { en: East, zh: 东 }, centre: [120, 32], grids: 2 }]
teams: [{ id: centre, level: district, title: { en: C, zh: C } }]
categories:
  noise: { title: { en: Noise, zh: 噪声 }, respond: 10m, arrive: 20m, resolve: 4h }
`
    const config = file('gateway.yaml', `district: { file: ${file('district.yaml', district)} }`)
    const rule = (category: string) =>
      file(
        `${category}.yaml`,
        `rules:
  - id: loud
    version: 1
    kind: drone
    title: { en: Loud, zh: 响 }
    basis: test
    severity: { red: { metric: battery, below: 3 } }
    dispatch: { from: red, category: ${category}, respond: 10m, arrive: 20m, resolve: 4h }
`,
      )
    for (const known of ['noise', 'flood'])
      expect(await run(['rules', 'check', rule(known), '--config', config])).toMatchObject({ code: 0 })
    const { code, err } = await run(['rules', 'check', rule('noize'), '--config', config])
    expect(code).toBe(1)
    expect(err).toContain(
      'dispatch.category: "noize" is no category of the district; expected one of air, cooking-fume',
    )
  })

  test('names the mistake', async () => {
    const { code, out } = await run(['rules', 'check', '--json', file('bad.yaml', 'rules: [{ id: x }]')])
    expect(code).toBe(1)
    const { ok, problems } = JSON.parse(out) as { ok: boolean; problems: object[] }
    expect(ok).toBe(false)
    expect(problems).toContainEqual({
      file: join(folder, 'bad.yaml'),
      rule: 'x',
      path: 'version',
      message: 'is missing',
    })
  })
})

describe('district check', () => {
  const built = (name: string) => readFileSync(join(root, `gateway/district/districts/${name}.yaml`), 'utf8')

  test('is content with the example', async () => {
    const outcome = await run(['district', 'check', file('harbour.yaml', built('harbour'))])
    expect(outcome).toEqual({ code: 0, out: 'harbour: 2 streets, 9 teams, 3 sites, all right\n', err: '' })
  })

  test('names each mistake in a line of its own, and exits with 1', async () => {
    const path = file(
      'wrong.yaml',
      built('harbour').replace('guarantee: 2.8', 'guarantee: 2').replace('13800000003', '13800000'),
    )
    const { code, out, err } = await run(['district', 'check', path])
    expect(code).toBe(1)
    expect(out.split('\n')).toEqual([
      expect.stringMatching(
        /^.*wrong\.yaml:\d+: teams\.1\.roster\.members\.0\.phone: "13800000" is no phone; expected .+$/,
      ),
      expect.stringMatching(
        /^.*wrong\.yaml:\d+: sites\.1\.gauge\.guarantee: 2 m is not above .+; expected more than 2\.2$/,
      ),
      '',
    ])
    expect(err).toBe(`gridwhistle: ${path}: 2 errors, 0 warnings\n`)
    const json = JSON.parse((await run(['district', 'check', '--json', path])).out) as { problems: object[] }
    expect(json).toMatchObject({ ok: false, district: null })
    expect(json.problems[1]).toEqual({
      file: path,
      severity: 'error',
      line: expect.any(Number) as number,
      path: 'sites.1.gauge.guarantee',
      what: '2 m is not above the warning level of 2.2 m',
      expected: 'more than 2.2',
    })
  })

  test('warnings fail it too, unless they are allowed', async () => {
    const path = file('gap.yaml', built('harbour').replaceAll("'20:00-08:00'", "'20:00-07:00'"))
    expect((await run(['district', 'check', path])).code).toBe(1)
    const { code, out } = await run(['district', 'check', '--allow-warnings', path])
    expect(code).toBe(0)
    expect(out).toMatch(
      /: warning: teams\.0\.roster\.shifts: nobody of quay-east, quay-west is on duty mon 07:00-08:00/,
    )
  })

  test('a file that is not there is wrong usage', async () => {
    expect((await run(['district', 'check', 'nowhere.yaml'])).code).toBe(2)
  })
})

describe('devices', () => {
  const csv = `id,kind,site,street,grid,lon,lat,attr.stoves
k1,cooking_fume,a,qinzao,qinzao-001,120.9,32.1,4
k2,cooking_fume,b,qinzao,qinzao-001,,,
r1,river_station,c,qinzao,qinzao-002,120.9,32.1,
`

  test('import registers each line, and its secrets go where only the owner reads them', async () => {
    const secrets = join(folder, 'secrets.json')
    const path = file('devices.csv', csv)
    const url = ['--url', gateway.httpUrl]
    const first = await run(['devices', 'import', path, '--secrets', secrets, '--json', ...url])
    expect(first.code).toBe(0)
    expect(JSON.parse(first.out)).toMatchObject({ created: [{}, {}, {}], existing: 0, problems: [] })
    expect(gateway.registered.get('k1')).toEqual({
      id: 'k1',
      kind: 'cooking_fume',
      site: 'a',
      street: 'qinzao',
      grid: 'qinzao-001',
      position: [120.9, 32.1],
      attributes: { stoves: 4 },
    })
    expect(statSync(secrets).mode & 0o777).toBe(0o600)
    expect(JSON.parse(readFileSync(secrets, 'utf8'))).toEqual(Object.fromEntries(gateway.secrets))
    expect(first.out).not.toContain(gateway.secrets.get('k1'))

    const second = await run(['devices', 'import', path, '--json', ...url])
    expect(second.code).toBe(0)
    expect(JSON.parse(second.out)).toEqual({ created: [], existing: 3, problems: [] })
  })

  test('import of a file with a mistake registers nothing', async () => {
    const path = file('twice.csv', `${csv}k1,cooking_fume,a,qinzao,qinzao-001,,,\n`)
    const { code, err } = await run(['devices', 'import', path, '--url', gateway.httpUrl])
    expect(code).toBe(1)
    expect(err).toContain('line 5')
    expect(gateway.registered.size).toBe(0)
  })

  test('list reads every page', async () => {
    await run(['devices', 'import', file('devices.csv', csv), '--url', gateway.httpUrl])
    const all = await run(['devices', 'list', '--json', '--url', gateway.httpUrl])
    const ids = all.out
      .trim()
      .split('\n')
      .map((line) => (JSON.parse(line) as { id: string }).id)
    expect(ids.sort()).toEqual(['k1', 'k2', 'r1'])
    const some = await run(['devices', 'list', '--kind', 'river_station', '--url', gateway.httpUrl])
    expect(some.out).toMatch(/^r1 +river_station +c +qinzao-002 +never seen\n$/)
  })
})

test('simulate, replay and load run to their end and account for what they sent', async () => {
  const to = ['--to', gateway.mqttUrl, '--http', gateway.httpUrl, '--json']
  const scenario = file(
    'one.yaml',
    `{ id: one, title: { en: o, zh: o }, begins: 2026-06-18T18:20:00+08:00, every: { drone: 2s }, devices:
      [{ id: d, kind: drone, site: s, street: qinzao, grid: qinzao-001, position: [120.9, 32.1] }] }`,
  )
  const simulated = await run(['simulate', scenario, '--speed', '60', '--duration', '20s', ...to])
  expect(simulated).toMatchObject({ code: 0, err: '' })
  expect(JSON.parse(simulated.out)).toMatchObject({ taken: 10, acknowledged: 10 })

  const recording = file('rec.csv', 't,v\n1577836800,1\n1577836860,2\n')
  const map = file(
    'map.yaml',
    `{ source: t, time: { columns: [t], format: seconds }, devices: [{ id: g, kind: water_level, site: s,
      street: qinzao, grid: qinzao-001, metrics: { level: { column: v } } }] }`,
  )
  const replayed = await run(['replay', recording, '--map', map, '--speed', 'max', '--shift', 'none', ...to])
  expect(replayed).toMatchObject({ code: 0, err: '' })
  expect(JSON.parse(replayed.out)).toMatchObject({ rows: 2, acknowledged: 2, devices: { 'sim-g': 2 } })

  const loaded = await run(['load', '--devices', '3', '--rate', '300', '--duration', '500ms', ...to])
  expect(loaded).toMatchObject({ code: 0, err: '' })
  expect(JSON.parse(loaded.out)).toMatchObject({ offered: 150, acked: 150, complete: true })

  gateway.acknowledges = false
  const lost = await run(['load', '--devices', '1', '--duration', '100ms', '--drain', '100ms', ...to])
  expect(lost.code).toBe(1)
  expect(JSON.parse(lost.out)).toMatchObject({ sent: 1, acked: 0, unacked: 1, complete: false })
})

test('the bin does what the command does, exit codes included', async () => {
  expect(await run(['--version'], 'cli/gridwhistle.js')).toMatchObject({ code: 0, err: '' })
  expect((await run(['load', '--qos', '3'], 'cli/gridwhistle.js')).code).toBe(2)
})

describe('hj212 decode', () => {
  const right =
    '##0101QN=20160801085857223;ST=32;CN=1062;PW=100000;MN=010000A8900016F000169DC0;Flag=5;CP=&&RtdInterval=30&&1C80'

  test('explains a frame, with exit 0 when it is right and 1 when it is not', async () => {
    const { code, out } = await run(['hj212', 'decode', right])
    expect(code).toBe(0)
    expect(out).toContain('right: set interval of real-time data')
    const wrong = await run(['hj212', 'decode', '--json', right.replace('=30', '=31')])
    expect(wrong.code).toBe(1)
    expect(JSON.parse(wrong.out)).toMatchObject({ verdict: 'bad_crc', packet: { cn: '1062' } })
  })
})
