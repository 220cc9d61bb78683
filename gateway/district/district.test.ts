import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, expect, test } from 'vitest'
import { BUILT_IN_PACKS, loadRules } from '../../rules/pack.ts'
import { ConfigError } from '../config.ts'
import { loadKinds } from '../model/kinds.ts'
import { loadDistrict } from './district.ts'
import { startLevel, teamFor } from './routing.ts'

const NOON = Date.parse('2026-06-01T12:00:00+08:00')
const folder = mkdtempSync(join(tmpdir(), 'gridwhistle-district-'))
afterAll(() => rmSync(folder, { recursive: true }))

function load(text: string) {
  const file = join(folder, 'district.yaml')
  writeFileSync(file, text)
  return loadDistrict(file)
}

test('the built-in district has the 16 streets of contract §2 and 908 grids', () => {
  const { streets } = loadDistrict()
  expect(streets.map((street) => street.id)).toEqual(
    `chengdong chenqiao hepingqiao hongqiao langshanzhen qinzao rengang tianshenggangzhen tangzhazhen wenfeng
     xinchengqiao xingfu xuetian yongxing zhongxiu guanyinshan`.split(/\s+/),
  )
  expect(streets.reduce((sum, street) => sum + street.grids, 0)).toBe(908)
})

test('in the built-in district a case of every street goes from a crew to the street to the district', () => {
  const district = loadDistrict()
  for (const { id: street } of district.streets) {
    const place = { category: 'cooking-fume', street, grid: `${street}-001` }
    const way = (['grid', 'street', 'district'] as const).map(
      (level) => teamFor(district, place, level, NOON).id,
    )
    expect(way).toEqual([`${street}-crew`, `${street}-team`, 'fume-team'])
  }
})

test('the built-in district says where each category of the packs starts, and knows no other', () => {
  const rules = [BUILT_IN_PACKS, join(BUILT_IN_PACKS, 'alternatives')].flatMap((dir) =>
    loadRules(dir, loadKinds()),
  )
  const categories = new Set(rules.flatMap(({ dispatch }) => dispatch?.category ?? []))
  const district = loadDistrict()
  expect(Object.keys(district.categories ?? {}).sort()).toEqual([...categories].sort())
  const named = district.teams.flatMap(({ categories = [] }) => categories)
  expect(named.filter((category) => !categories.has(category))).toEqual([])
  // What burns, explodes or poisons is not for somebody on foot; a device that is out of order is.
  expect(['fire', 'gas', 'hazmat'].map((category) => startLevel(district, category))).not.toContain('grid')
  expect(startLevel(district, 'device')).toBe('grid')
})

const minimal = `
id: small
title: { en: Small, zh: 小 }
centre: [120, 32]
streets: [{ id: east, title: { en: East, zh: 东 }, centre: [120, 32], grids: 2 }]
`
const everything = `{ id: centre, level: district, title: { en: C, zh: C } }`

test('a second, small district is loaded just as well', () => {
  expect(load(`${minimal}teams: [${everything}]`).teams).toHaveLength(1)
})

describe('a district file that cannot be right is refused with what and where', () => {
  const team = (more: string) =>
    `${minimal}teams: [${everything}, { id: x, title: { en: X, zh: X }, ${more} }]`
  test.each([
    ['not YAML', 'id: [', /district\.yaml: /],
    ['no streets', 'id: small', /required property/],
    ['an unknown key', `${minimal}teams: [${everything}]\nlevels: 3`, /levels/],
    ['an unknown level', team('level: city'), /teams\.1\.level/],
    ['a street that is not there', team('level: street, streets: [west]'), /x serves street "west"/],
    ['a grid that is not there', team('level: grid, grids: [east-003]'), /x serves grid "east-003"/],
    ['a team twice', `${minimal}teams: [${everything}, ${everything}]`, /"centre" is there twice/],
    [
      'a reserved id',
      `${minimal}teams: [${everything.replace('centre', 'gateway')}]`,
      /"gateway" is reserved/,
    ],
    [
      'nobody for the rest',
      team('level: street').replace(`${everything}, `, ''),
      /no team of level district/,
    ],
  ])('%s', (_, text, message) => {
    expect(() => load(text)).toThrow(ConfigError)
    expect(() => load(text)).toThrow(message)
  })

  test('no file', () => {
    expect(() => loadDistrict(join(folder, 'none.yaml'))).toThrow(/cannot be read/)
  })
})
