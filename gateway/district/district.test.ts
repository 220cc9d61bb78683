import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, describe, expect, test } from 'vitest'
import { parse } from 'yaml'
import { BUILT_IN_PACKS, loadRules } from '../../rules/pack.ts'
import { ConfigError } from '../config.ts'
import { loadKinds } from '../model/kinds.ts'
import { loadDistrict, readDistrict } from './district.ts'
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

test('the built-in district says where each category of the packs starts', () => {
  const rules = [BUILT_IN_PACKS, join(BUILT_IN_PACKS, 'alternatives')].flatMap((dir) =>
    loadRules(dir, loadKinds()),
  )
  const categories = new Set(rules.flatMap(({ dispatch }) => dispatch?.category ?? []))
  const district = loadDistrict()
  expect(Object.keys(district.categories ?? {})).toEqual(expect.arrayContaining([...categories]))
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

test('the built-in districts have nothing to complain of, and every device of the simulated one is at a site of theirs', () => {
  for (const name of ['chongchuan', 'harbour']) {
    const { district, findings } = readDistrict(
      fileURLToPath(new URL(`districts/${name}.yaml`, import.meta.url)),
    )
    expect(findings).toEqual([])
    expect(district?.id).toBe(name)
  }
  const sites = new Map(loadDistrict().sites!.map((site) => [site.id, site]))
  const place = parse(
    readFileSync(new URL('../../simulators/places/chongchuan.yaml', import.meta.url), 'utf8'),
  ) as {
    devices: { id: string; site: string; street: string; grid: string }[]
  }
  for (const { id, site, street, grid } of place.devices) {
    expect([id, sites.get(site)?.street, sites.get(site)?.grid]).toEqual([id, street, grid])
  }
})

test('a second, small district is loaded just as well', () => {
  expect(load(`${minimal}teams: [${everything}]`).teams).toHaveLength(1)
})

describe('a district file that cannot be right is refused with what and where', () => {
  const team = (more: string) =>
    `${minimal}teams: [${everything}, { id: x, title: { en: X, zh: X }, ${more} }]`
  test.each([
    ['not YAML', 'id: [', /district\.yaml:1: is not YAML: /],
    [
      'no streets',
      'id: small',
      /district\.yaml: title: is missing.* \(and \d more: gridwhistle district check/,
    ],
    [
      'an unknown key',
      `${minimal}teams: [${everything}]\nlevels: 3`,
      /:7: levels: is an unknown key; expected one of id, title/,
    ],
    [
      'an unknown level',
      team('level: city'),
      /teams\.1\.level: "city" is not valid; expected one of grid, street, district, department/,
    ],
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
      /teams: no team of level district takes every case/,
    ],
  ])('%s', (_, text, message) => {
    expect(() => load(text)).toThrow(ConfigError)
    expect(() => load(text)).toThrow(message)
  })

  test('no file', () => {
    expect(() => loadDistrict(join(folder, 'none.yaml'))).toThrow(/cannot be read/)
  })
})
