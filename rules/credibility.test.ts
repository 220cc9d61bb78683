import { existsSync, readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { parse } from 'csv-parse/sync'
import { describe, expect, test } from 'vitest'
import { loadKinds } from '../gateway/model/kinds.ts'
import type { Plausible } from '../gateway/model/kind.ts'
import { Credibility, MEMORY } from './credibility.ts'
import { millionths } from './millionths.ts'

const MINUTE = 60_000

/** The values that are not believed, of `[minutes, value]`. */
function doubted(plausible: Plausible, samples: readonly (readonly [number, number])[]): number[] {
  const credibility = new Credibility(plausible)
  const cells = new Float64Array(MEMORY.length).fill(NaN)
  return samples
    .filter(([minute, value]) => !credibility.believes(cells, 0, minute * MINUTE, millionths(value)))
    .map(([, value]) => value)
}

describe('a value is doubted', () => {
  test('out of its bounds, however long it stays there', () => {
    const stuck = [0, 1, 2, 3, 4, 5, 6].map((minute) => [minute, 1000] as const)
    expect(doubted({ maximum: 200 }, stuck)).toHaveLength(7)
    expect(
      doubted({ minimum: -1, maximum: 45 }, [
        [0, -1],
        [1, 45],
        [2, 45.1],
        [3, -1.1],
      ]),
    ).toEqual([45.1, -1.1])
  })

  test('after a jump that is larger than a step', () => {
    expect(
      doubted({ step: 2 }, [
        [0, 1],
        [1, 3],
        [2, 5.1],
        [3, 3.5],
      ]),
    ).toEqual([5.1])
  })

  test('less, the longer nothing was heard', () => {
    const plausible = { step: 2, per: '10m' }
    expect(
      doubted(plausible, [
        [0, 1],
        [10, 3.1],
      ]),
    ).toEqual([3.1])
    expect(
      doubted(plausible, [
        [0, 1],
        [15, 4],
      ]),
    ).toEqual([])
    expect(
      doubted({ step: 2 }, [
        [0, 1],
        [6000, 4],
      ]),
    ).toEqual([4])
  })

  test('until three in a row agree with each other', () => {
    expect(
      doubted({ step: 1 }, [
        [0, 0],
        [1, 9],
        [2, 9.5],
        [3, 9.2],
        [4, 9.1],
      ]),
    ).toEqual([9, 9.5])
    expect(
      doubted({ step: 1 }, [
        [0, 0],
        [1, 9],
        [2, 0.5],
        [3, 9],
        [4, 0.4],
        [5, 9],
      ]),
    ).toEqual([9, 9, 9])
    expect(
      doubted({ step: 1 }, [
        [0, 0],
        [1, 9],
        [2, 20],
        [3, 31],
        [4, 31],
        [5, 31],
      ]),
    ).toEqual([9, 20, 31, 31])
  })
})

const MATERIAL = fileURLToPath(new URL('../../shared/material/', import.meta.url))
const FOOT = 0.3048

describe.skipIf(!existsSync(MATERIAL))('real recordings (../shared/material)', () => {
  const level = loadKinds().get('water_level')!.metrics['level']!.plausible!

  function usgs(file: string): (readonly [number, number])[] {
    const rows = parse(readFileSync(MATERIAL + file), { columns: true }) as Record<string, string>[]
    return rows
      .filter(({ gage_height_ft }) => gage_height_ft !== '')
      .map((row) => [Date.parse(row['datetimeUTC']!) / MINUTE, Number(row['gage_height_ft']) * FOOT])
  }

  function defra(file: string): (readonly [number, number])[] {
    const samples = JSON.parse(readFileSync(MATERIAL + file, 'utf8')) as { ts: string; _: number }[]
    return samples.toReversed().map(({ ts, _ }) => [Date.parse(ts) / MINUTE, _])
  }

  test('flash floods are believed, every value of them', () => {
    expect(doubted(level, usgs('usgs-01589330-dead-run-5min-2018-06.csv'))).toEqual([])
    expect(doubted(level, usgs('usgs-01581752-plumtree-run-5min-2018-05.csv'))).toEqual([])
  })

  test('a river of 1,000 m is not, and its clean twin is', () => {
    expect(doubted(level, defra('defra-spikeTelem.json'))).toEqual([1000])
    expect(doubted(level, defra('defra-nonSpikeTelem.json'))).toEqual([])
  })
})
