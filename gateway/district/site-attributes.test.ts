import { expect, test } from 'vitest'
import type { Device, DeviceDirectory } from '../model/device.ts'
import type { Site } from '../model/site.ts'
import { AtSites } from './site-attributes.ts'
import { kitchenSize, siteAttributes } from './sites.ts'

const place = { street: 'east', grid: 'east-001', position: [120, 32], title: { en: 'x', zh: 'x' } }
const gauge: Site = {
  ...place,
  id: 'bridge',
  gauge: { warning: 2.2, guarantee: 2.8 },
  attributes: { storm_level: 3 },
}
const kitchen: Site = { ...place, id: 'tavern', kitchen: { stoves: 4 }, attributes: { fume_limit: 1 } }
const device = (id: string, site: string, attributes?: Device['attributes']): Device => ({
  id,
  kind: 'water_level',
  site,
  street: 'east',
  grid: 'east-001',
  ...(attributes && { attributes }),
})

test('what a site is gives its devices the attributes that the packs ask for', () => {
  expect(siteAttributes(gauge)).toEqual({ warning_level: 2.2, guarantee_level: 2.8, storm_level: 3 })
  expect(siteAttributes(kitchen)).toEqual({ stoves: 4, fume_limit: 1 })
  expect(siteAttributes({ ...place, id: 's', section: { river: 'r', target: 'III' } })).toEqual({
    target: 'III',
  })
})

test('a device has its own attributes, then those of its site; elsewhere it is as it was', () => {
  const devices = new Map(
    [
      device('a', 'bridge'),
      device('b', 'bridge', { warning_level: 1 }),
      device('c', 'nowhere', { x: 1 }),
    ].map((known) => [known.id, known]),
  )
  const directory: DeviceDirectory = {
    get: (id) => devices.get(id),
    origin: () => undefined,
    all: () => devices.values(),
  }
  const seen = new AtSites({ sites: [gauge, kitchen] }).directory(directory)
  expect(seen.get('a')!.attributes).toEqual({ warning_level: 2.2, guarantee_level: 2.8, storm_level: 3 })
  expect(seen.get('b')!.attributes).toEqual({ warning_level: 1, guarantee_level: 2.8, storm_level: 3 })
  expect(seen.get('c')).toBe(devices.get('c'))
  expect(seen.get('d')).toBeUndefined()
  // The same object until the device changes, and another afterwards.
  expect(seen.get('a')).toBe(seen.get('a'))
  devices.set('a', device('a', 'bridge', { warning_level: 2 }))
  expect(seen.get('a')!.attributes).toMatchObject({ warning_level: 2 })
  expect([...seen.all()].map(({ id }) => seen.get(id))).toEqual([...seen.all()])
})

test('sizes of kitchens are those of GB 18483-2001 table 1', () => {
  expect([1, 2.9, 3, 5.9, 6, 20].map(kitchenSize)).toEqual([
    'small',
    'small',
    'medium',
    'medium',
    'large',
    'large',
  ])
})
