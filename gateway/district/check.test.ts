import { readFileSync } from 'node:fs'
import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { parseDocument, type Document } from 'yaml'
import { loops } from './check-sites.ts'
import { parseDistrict } from './district.ts'
import { findingLine } from './finding.ts'
import { isPhone } from './phone.ts'

const HARBOUR = readFileSync(new URL('districts/harbour.yaml', import.meta.url), 'utf8')

/** The lines that `district check` would print of the harbour with some values changed. */
function linesOf(...changes: readonly [path: readonly (string | number)[], value: unknown][]): string[] {
  const document: Document = parseDocument(HARBOUR)
  for (const [path, value] of changes) {
    if (value === undefined) document.deleteIn(path)
    else document.setIn(path, document.createNode(value))
  }
  const { findings } = parseDistrict(document.toString(), true)
  return findings.map((finding) => findingLine('h.yaml', finding))
}

const SITE = { gull: 0, mouth: 1, bridge: 2 }
const TEAM = { east: 0, west: 1, keeper: 2, temple: 3 }

describe('every mistake is one line that says where, what and what was expected', () => {
  test.each<[string, readonly (string | number)[], unknown, string]>([
    [
      'an unknown key',
      ['sites', 0, 'stoves'],
      3,
      'sites.0.stoves: is an unknown key; expected one of id, title',
    ],
    [
      'a missing key',
      ['sites', 0, 'position'],
      undefined,
      'sites.0.position: is missing; expected it to be there',
    ],
    [
      'no area',
      ['areas', 0, 'geometry', 'coordinates'],
      [[[1]]],
      'areas.0.geometry: is no area; expected a GeoJSON',
    ],
    [
      'a ring that is open',
      ['areas', 0, 'geometry', 'coordinates', 0, 4, 0],
      122.14,
      'areas.0.geometry: a ring does not end where it begins; expected closed rings',
    ],
    [
      'an unknown use',
      ['areas', 0, 'use'],
      'shut',
      'areas.0.use: "shut" is not valid; expected one of closed, flight, route, parking, other',
    ],
    [
      'a clock that is none',
      ['categories', 'cooking-fume', 'respond'],
      'soon',
      'categories.cooking-fume.respond: "soon" is not a duration; expected one such as 90s',
    ],
    [
      'clocks out of order',
      ['categories', 'cooking-fume', 'arrive'],
      '5m',
      'categories.cooking-fume.arrive: 5m is shorter than respond; expected 15m or more',
    ],
    [
      'a department that is none',
      ['categories', 'cooking-fume', 'departments'],
      ['harbour-master'],
      'categories.cooking-fume.departments.0: "harbour-master" is no department; expected a team of level department',
    ],
    [
      'an id that is there twice',
      ['sites', 1, 'id'],
      'gull-tavern',
      'sites.1.id: "gull-tavern" is there twice; expected each once',
    ],
    [
      'a reserved id',
      ['teams', 4, 'id'],
      'gateway',
      'teams.4.id: "gateway" is reserved; expected another name',
    ],
    [
      'a street without grids',
      ['streets', 2],
      { id: 'newtown', title: { en: 'N', zh: 'N' }, centre: [122.1, 30.05], grids: 0 },
      'streets.2.grids: street "newtown" has no grid; expected a number of grids, or grids with names',
    ],
    [
      'a grid of no street',
      ['grids', 1, 'street'],
      'newtown',
      'grids.1.street: "newtown" is no street of the district; expected one that is',
    ],
    [
      'a numbered grid of another street',
      ['grids', 0, 'street'],
      'oldtown',
      'grids.0.street: "oldtown" is not the street of grid "quayside-003"; expected "quayside"',
    ],
    [
      'a team for an unknown street',
      ['teams', TEAM.east, 'streets'],
      ['newtown'],
      'teams.0.streets.0: team quay-east serves street "newtown", which the district has not; expected a street of the district',
    ],
    [
      'a team for an unknown grid',
      ['teams', TEAM.keeper, 'grids'],
      ['quayside-004'],
      'teams.2.grids.0: team lighthouse-keeper serves grid "quayside-004", which the district has not; expected a grid of the district',
    ],
    [
      'a team for a grid elsewhere',
      ['teams', TEAM.keeper, 'streets'],
      ['quayside'],
      `teams.2.grids.0: grid "lighthouse" is in oldtown, which is none of the team's streets; expected a grid of its streets`,
    ],
    [
      'a category that is none',
      ['teams', TEAM.east, 'categories'],
      ['cooking-fumes'],
      'warning: teams.0.categories.0: "cooking-fumes" is no category of the district; expected one of its categories',
    ],
    [
      'a phone that is none',
      ['teams', 0, 'roster', 'members', 1, 'phone'],
      '1380000',
      'teams.0.roster.members.1.phone: "1380000" is no phone; expected one such as 13800000000',
    ],
    [
      'a member that is there twice',
      ['teams', 0, 'roster', 'members', 1, 'id'],
      'ann',
      'teams.0.roster.members.1.id: "ann" is there twice; expected each once',
    ],
    [
      'a shift of nobody known',
      ['teams', 0, 'roster', 'shifts', 0, 'members'],
      ['zoe'],
      'teams.0.roster.shifts.0.members.0: "zoe" is no member of the roster; expected the id of one',
    ],
    [
      'hours that are none',
      ['teams', 0, 'roster', 'shifts', 0, 'hours'],
      '8-20',
      'teams.0.roster.shifts.0.hours: "8-20" are no hours; expected some such as 08:00-20:00',
    ],
    [
      'hours that end at once',
      ['teams', 0, 'roster', 'shifts', 0, 'hours'],
      '08:00-08:00',
      'teams.0.roster.shifts.0.hours: "08:00-08:00" end when they begin; expected 00:00-24:00 for all day',
    ],
    [
      'a date that is none',
      ['teams', 0, 'roster', 'exceptions', 0, 'from'],
      '2026-02-30',
      'teams.0.roster.exceptions.0.from: 2026-02-30 is no day of the calendar; expected one that is',
    ],
    [
      'a holiday that runs backwards',
      ['calendar', 'holidays', 0, 'to'],
      '2026-09-30',
      'calendar.holidays.0.to: 2026-09-30 is before 2026-10-01; expected that day or a later one',
    ],
    [
      'a site on no street',
      ['sites', SITE.gull, 'street'],
      'newtown',
      'sites.0.street: "newtown" is no street of the district; expected one that is',
    ],
    [
      'a site in a grid of another street',
      ['sites', SITE.gull, 'grid'],
      'temple',
      'sites.0.grid: "temple" is in oldtown; expected a grid of quayside',
    ],
    [
      'a site in no grid',
      ['sites', SITE.gull, 'grid'],
      'quayside-009',
      'sites.0.grid: "quayside-009" is no grid of the district; expected one that is',
    ],
    [
      'a site off the globe',
      ['sites', SITE.gull, 'position'],
      [30.06, 122.125],
      'sites.0.position: [30.06, 122.125] is not on the globe; expected [longitude, latitude] in WGS-84',
    ],
    [
      'levels the wrong way round',
      ['sites', SITE.mouth, 'gauge', 'guarantee'],
      2.2,
      'sites.1.gauge.guarantee: 2.2 m is not above the warning level of 2.2 m; expected more than 2.2',
    ],
    [
      'a river from nowhere',
      ['sites', SITE.mouth, 'section', 'upstream'],
      ['spring'],
      'sites.1.section.upstream.0: "spring" is no site of the district; expected one that is',
    ],
    [
      'a river from a kitchen',
      ['sites', SITE.mouth, 'section', 'upstream'],
      ['gull-tavern'],
      'sites.1.section.upstream.0: "gull-tavern" is no section of a river; expected a site with a section',
    ],
    [
      'a river in a circle',
      ['sites', SITE.bridge, 'section', 'upstream'],
      ['creek-mouth'],
      'the water runs in a circle: creek-bridge → creek-mouth → creek-bridge; expected a river that ends',
    ],
    [
      'a report about nothing',
      ['sites', SITE.mouth, 'reports', 'categories'],
      ['weather'],
      'sites.1.reports.categories.0: "weather" is no category of the district; expected one of cooking-fume, river-quality',
    ],
    [
      'a purifier that is too weak',
      ['sites', SITE.gull, 'kitchen', 'purifier', 'efficiency'],
      70,
      'warning: sites.0.kitchen.purifier.efficiency: 70 % is too little for a medium kitchen (4 stoves); expected at least 75 %, GB 18483-2001 table 2',
    ],
    [
      'a street outside the district',
      ['streets', 1, 'centre'],
      [122.2, 30.05],
      'warning: streets.1.centre: the centre of street oldtown lies',
    ],
    [
      'a grid outside its street',
      ['grids', 0, 'centre'],
      [122.08, 30.05],
      'warning: grids.0.centre: the centre of grid quayside-003 lies',
    ],
    [
      'a site outside its street',
      ['sites', SITE.gull, 'position'],
      [122.0985, 30.061],
      'warning: sites.0.position: site gull-tavern lies 145 m outside street quayside; expected not more than 100 m, the accuracy of the street',
    ],
    [
      'a grid that no crew serves',
      ['teams', TEAM.temple, 'grids'],
      ['lighthouse'],
      'warning: categories.cooking-fume: no team of level grid serves temple, where its cases start; expected a team for each grid, or another start than grid',
    ],
  ])('%s', (_, path, value, expected) => {
    const lines = linesOf([path, value])
    const found = lines.filter((line) => line.startsWith(`h.yaml: ${expected}`) || line.includes(expected))
    expect(found, lines.join('\n')).toHaveLength(1)
    for (const line of lines) expect(line).not.toMatch(/[\n\r]/)
  })
})

test('a site that is a little off is within the accuracy of its street', () => {
  expect(
    linesOf([
      ['sites', SITE.gull, 'position'],
      [122.0995, 30.061],
    ]),
  ).toEqual([])
})

describe('hours in which nobody is on duty', () => {
  const shiftsOf = (team: number, index: number) => ['teams', team, 'roster', 'shifts', index]
  const nights = (hours: string): [readonly (string | number)[], unknown][] => [
    [[...shiftsOf(TEAM.east, 1), 'hours'], hours],
    [[...shiftsOf(TEAM.west, 2), 'hours'], hours],
  ]

  test('of every week', () => {
    const [line] = linesOf(...nights('22:00-08:00'))
    expect(line).toContain(
      'warning: teams.0.roster.shifts: nobody of quay-east, quay-west is on duty mon 20:00-22:00',
    )
    expect(line).toContain('expected somebody at every hour at level grid for cooking-fume, other')
  })

  test('of a date on which it is otherwise', () => {
    const away = { from: '2026-10-01', away: ['chen', 'dong', 'er'] }
    const lines = linesOf([['teams', TEAM.west, 'roster', 'exceptions'], [away]])
    expect(lines).toEqual([expect.stringContaining('is on duty 2026-10-01 08:00-24:00; expected somebody')])
    expect(
      linesOf([['teams', TEAM.west, 'roster', 'exceptions'], [{ ...away, from: '2026-10-03' }]]),
    ).toEqual([])
  })

  test('of holidays', () => {
    const lines = linesOf(
      [shiftsOf(TEAM.west, 1), undefined],
      [[...shiftsOf(TEAM.east, 0), 'days'], ['workday']],
    )
    expect(lines).toHaveLength(1)
    expect(lines[0]).toContain('sat 08:00-20:00, sun 08:00-20:00, 2026-10-01 08:00-20:00, 2026-10-02')
  })
})

test('every mistake of a file is told, each with its line', () => {
  const text = HARBOUR.replace('position: [122.125, 30.061]', 'position: 3').replace(
    'target: III',
    'target: VII',
  )
  const { district, findings } = parseDistrict(text)
  expect(district).toBeNull()
  const lines = text.split('\n')
  const lineOf = (part: string) => lines.findIndex((line) => line.includes(part)) + 1
  expect(findings.map(({ path, line }) => [path, line])).toEqual([
    ['sites.0.position', lineOf('position: 3')],
    ['sites.1.section.target', lineOf('target: VII')],
  ])
})

test('a duration or a date that is a number is told what it lacks', () => {
  const text = HARBOUR.replace('respond: 15m', 'respond: 15').replace(
    'from: 2026-10-01, to:',
    'from: 20261001, to:',
  )
  expect(parseDistrict(text).findings.map(({ what, expected }) => `${what}; ${expected}`)).toEqual([
    '20261001 is not a date; one such as 2026-10-01',
    '15 is not a duration; one such as 90s, 10m, 4h or 7d',
  ])
})

test('names that would break a line or move a cursor are told in one line', () => {
  const { findings } = parseDistrict(HARBOUR.replace('id: gull-tavern', 'id: "gull\\n\\e[2Jtavern"'))
  expect(findings).toHaveLength(1)
  expect(findingLine('h.yaml', findings[0]!)).toMatch(/^h\.yaml: sites\.0\.id: [ -~]+$/)
})

test('no YAML is one finding', () => {
  expect(parseDistrict('id: [').findings).toMatchObject([{ severity: 'error', line: 1 }])
  expect(parseDistrict('').findings).toHaveLength(1)
})

test('phones as they are in China', () => {
  const phones = [
    '13800000001',
    '+86 13800000001',
    '0513-80000000',
    '010-62345678-801',
    '12345',
    '110',
    '400-800-1234',
    '95598',
  ]
  expect(phones.filter((phone) => !isPhone(phone))).toEqual([])
  expect(['', '23800000001', '1380000000', '138000000011', 'x13800000001', '12'].filter(isPhone)).toEqual([])
})

test('rivers that run from lower to higher numbers never run in a circle; one way back closes one', () => {
  const edge = fc.tuple(fc.nat(30), fc.nat(30)).filter(([a, b]) => a !== b)
  fc.assert(
    fc.property(fc.array(edge, { maxLength: 60 }), (edges) => {
      const below = new Map<string, Set<string>>()
      const add = (from: number, to: number): void => {
        below.set(String(from), (below.get(String(from)) ?? new Set()).add(String(to)))
      }
      for (const [a, b] of edges) add(Math.min(a, b), Math.max(a, b))
      expect(loops(below)).toEqual([])
      if (edges.length === 0) return
      const [a, b] = edges[0]!
      add(Math.max(a, b), Math.min(a, b))
      expect(loops(below).length).toBeGreaterThan(0)
      for (const loop of loops(below)) {
        for (const [index, id] of loop.entries()) {
          expect(below.get(id)?.has(loop[(index + 1) % loop.length]!)).toBe(true)
        }
      }
    }),
  )
})
