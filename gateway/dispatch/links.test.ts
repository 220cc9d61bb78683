import { describe, expect, test } from 'vitest'
import { distanceMetres } from './distance.ts'
import { consoleLink, mapLink, mapLinks } from './links.ts'

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

describe('a link for each map app, with its order of coordinates and its word for WGS-84', () => {
  const name = '油烟 & fume#"<x>?;title:y|z'
  const links = mapLinks([120.8239, 32.0616, 5], name)

  test('Amap', () => {
    expect(links.amap).toBe(mapLink([120.8239, 32.0616, 5], name))
  })

  test('Tencent: latitude first, type 1, and no name that begins another part of the marker', () => {
    const link = new URL(links.tencent)
    expect(link.origin + link.pathname).toBe('https://apis.map.qq.com/uri/v1/marker')
    expect(Object.fromEntries(link.searchParams)).toEqual({
      marker: 'coord:32.061600,120.823900;title:油烟 & fume#"<x>? title y z',
      coord_type: '1',
      referer: 'gridwhistle',
    })
  })

  test('Baidu: latitude first', () => {
    const link = new URL(links.baidu)
    expect(link.origin + link.pathname).toBe('https://api.map.baidu.com/marker')
    expect(Object.fromEntries(link.searchParams)).toEqual({
      location: '32.061600,120.823900',
      title: name,
      content: name,
      coord_type: 'wgs84',
      output: 'html',
      src: 'webapp.gridwhistle.gridwhistle',
    })
  })

  test('geo: URI', () => {
    expect(links.geo).toBe('geo:32.061600,120.823900')
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
