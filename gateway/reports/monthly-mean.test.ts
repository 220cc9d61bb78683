import { expect, test } from 'vitest'
import { DAY, HOUR, monthNamed } from './month.ts'
import { monthlyMean, type StationMonth } from './monthly-mean.ts'

const october = monthNamed('2026-10')
const at = (day: number, hour: number): number => october.from + (day - 1) * DAY + hour * HOUR

function station(
  means: [day: number, hour: number, mean: number][],
  flagged: [number, number][] = [],
  implausible: [number, number][] = [],
) {
  return {
    means: means.map(([day, hour, mean]) => [at(day, hour), mean] as const),
    flagged: new Set(flagged.map(([day, hour]) => at(day, hour))),
    implausible: new Set(implausible.map(([day, hour]) => at(day, hour))),
  } satisfies StationMonth
}

test('a month is that of Shanghai, to the end of December too', () => {
  expect(october).toEqual({
    name: '2026-10',
    from: Date.parse('2026-10-01T00:00:00+08:00'),
    to: Date.parse('2026-11-01T00:00:00+08:00'),
  })
  expect(monthNamed('2026-12').to).toBe(Date.parse('2027-01-01T00:00:00+08:00'))
  expect(monthNamed('2024-02').to - monthNamed('2024-02').from).toBe(29 * DAY)
})

test('hours make days and days make the month: a day with many hours does not outweigh the others', () => {
  const hours = station([
    [1, 0, 1], // the first day: 2
    [1, 4, 2],
    [1, 8, 3],
    [31, 23, 5], // the last one: 5
  ])
  expect(monthlyMean([hours], october, october.to, 4)).toEqual({
    mean: 3.5,
    days: 2,
    flaggedHours: 0,
    implausibleHours: 0,
    expected: 186,
    valid: 4,
  })
})

test('an hour with a reading that was not normal is left out, and counted', () => {
  const hours = station([[1, 0, 1], [1, 4, 99], [2, 0, 2]], [[1, 4], [3, 0]]) // prettier-ignore
  expect(monthlyMean([hours], october, october.to, 4)).toMatchObject({
    mean: 1.5,
    flaggedHours: 1,
    valid: 2,
  })
})

test('an hour with a reading that rules do not believe is left out, and counted once', () => {
  const hours = station([[1, 0, 1], [1, 4, 50_000], [2, 0, 2], [2, 4, 9]], [[2, 4]], [[1, 4], [2, 4]]) // prettier-ignore
  expect(monthlyMean([hours], october, october.to, 4)).toMatchObject({
    mean: 1.5,
    flaggedHours: 1,
    implausibleHours: 1,
    valid: 2,
  })
})

test('a station that reports more often than is due is complete, not more than that', () => {
  const hours = station(Array.from({ length: 24 }, (_, hour) => [1, hour, 1]))
  expect(monthlyMean([hours], october, at(2, 0), 4)).toMatchObject({ expected: 6, valid: 6 })
  expect(monthlyMean([hours], october, at(2, 0), 1)).toMatchObject({ expected: 24, valid: 24 })
})

test('of a month under way only what could be there yet is expected', () => {
  const hours = station([[1, 0, 1], [1, 4, 1]]) // prettier-ignore
  expect(monthlyMean([hours], october, at(1, 5), 4)).toMatchObject({ expected: 1, valid: 1, mean: 1 })
})

test('two stations of one section are one series', () => {
  const two = [station([[1, 0, 1]]), station([[1, 0, 2], [2, 0, 3]], [[2, 0]])] // prettier-ignore
  expect(monthlyMean(two, october, october.to, 24)).toEqual({
    mean: 1.5,
    days: 1,
    flaggedHours: 1,
    implausibleHours: 0,
    expected: 31,
    valid: 1,
  })
})

test('without a valid hour there is no mean', () => {
  expect(monthlyMean([], october, october.to, 1)).toMatchObject({ mean: null, days: 0, valid: 0 })
})
