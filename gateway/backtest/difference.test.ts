import { expect, test } from 'vitest'
import type { Alarm } from '../model/alarm.ts'
import { differenceOf } from './difference.ts'

const alarm = (startedAt: number, more: Partial<Alarm> = {}): Alarm => {
  const { device = 'd', rule = 'r' } = more
  return {
    id: `${device}~${rule}~${startedAt}`,
    rule,
    ruleVersion: 1,
    device,
    kind: 'cooking_fume',
    site: 's',
    street: 'wenfeng',
    grid: 'wenfeng-001',
    severity: 'orange',
    state: 'cleared',
    startedAt,
    clearedAt: startedAt + 10,
    peak: 1,
    value: 1,
    case: null,
    ...more,
  }
}

test('the same alarm is no difference, whatever its case and its latest value', () => {
  const { same, onlyBefore, onlyAfter, different } = differenceOf(
    [alarm(0, { case: 'c', value: 2 }), alarm(100)],
    [alarm(0), alarm(100)],
  )
  expect([same, onlyBefore, onlyAfter, different]).toEqual([2, [], [], []])
})

test('a withdrawn alarm did not happen', () => {
  expect(differenceOf([alarm(0, { state: 'withdrawn' })], []).onlyBefore).toEqual([])
})

test('one that ends or weighs otherwise is different, and so is one that begins at another time and overlaps', () => {
  const before = [alarm(0), alarm(100), alarm(200), alarm(300)]
  const after = [alarm(0, { clearedAt: 7 }), alarm(100, { severity: 'red' }), alarm(205), alarm(320)]
  const { same, different, onlyBefore, onlyAfter, rules } = differenceOf(before, after)
  expect(same).toBe(0)
  expect(different.map((pair) => [pair.before.startedAt, pair.after.startedAt])).toEqual([
    [0, 0],
    [100, 100],
    [200, 205],
  ])
  expect([onlyBefore, onlyAfter].map((alarms) => alarms.map(({ startedAt }) => startedAt))).toEqual([
    [300],
    [320],
  ])
  expect(rules).toEqual([{ rule: 'r', before: 4, after: 4, onlyBefore: 1, onlyAfter: 1, different: 3 }])
})

test('alarms of another rule or device are another matter', () => {
  const { onlyBefore, onlyAfter } = differenceOf(
    [alarm(0)],
    [alarm(1, { rule: 'q' }), alarm(1, { device: 'e' })],
  )
  expect([onlyBefore.length, onlyAfter.length]).toEqual([1, 2])
})
