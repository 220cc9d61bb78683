import { expect, test } from 'vitest'
import { distanceMetres } from './distance.ts'
import { consoleLink, mapLink } from './links.ts'

test('the map link gives Amap WGS-84, longitude first, and cannot be broken out of by a title', () => {
  const link = new URL(mapLink([120.8239, 32.0616, 5], '油烟 & fume#"<x>?'))
  expect(link.origin + link.pathname).toBe('https://uri.amap.com/marker')
  expect(Object.fromEntries(link.searchParams)).toEqual({
    position: '120.823900,32.061600',
    name: '油烟 & fume#"<x>?',
    src: 'gridwhistle',
    coordinate: 'wgs84',
    callnative: '1',
  })
})

test('the console link stands alone or below the address of the console', () => {
  expect(consoleLink('', '20240601-a-1')).toBe('/#/cases/20240601-a-1')
  expect(consoleLink('https://grid.example.cn', 'a b')).toBe('https://grid.example.cn/#/cases/a%20b')
})

test('distances are those of the sphere', () => {
  // a degree of a great circle: 2πR / 360
  expect(distanceMetres([120, 32], [120, 33])).toBeCloseTo(111_195.08, 1)
  expect(distanceMetres([120, 0], [121, 0])).toBeCloseTo(111_195.08, 1)
  expect(distanceMetres([120.857, 32.01], [120.857, 32.01])).toBe(0)
  expect(distanceMetres([0, 0], [180, 0])).toBeCloseTo(Math.PI * 6_371_008.8, 0)
})
