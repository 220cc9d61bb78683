import { describe, expect, test } from 'vitest'
import { COMPARISONS, CONDITION_KEYS, OVER_WINDOW } from '../gateway/model/rule.ts'
import { leavesOf, conditionsOf } from './conditions.ts'
import { caseNames, TestCase } from './testcase.fixture.ts'

describe.each(caseNames())('%s', (name) => {
  const story = new TestCase(name)
  const { alarms, anyOrder = true } = story.expected

  test('ends in the alarms that are expected', () => {
    expect(story.run()).toEqual(alarms)
  })

  test('ends in the same wherever it is interrupted by a restart', () => {
    for (let position = 0; position <= story.readings; position++) {
      expect(story.run({ restartAfter: position }), `restart after ${position}`).toEqual(alarms)
    }
  })

  test('ends in the same however often timers are run', () => {
    expect(story.run({ ticks: true })).toEqual(alarms)
  })

  test('ends in the same when every reading comes twice', () => {
    expect(story.run({ doubled: true })).toEqual(alarms)
  })

  if (anyOrder)
    test('ends in the same in any order within the bound', () => {
      for (let seed = 1; seed <= 20; seed++) {
        expect(story.run({ shuffledBy: seed }), `order ${seed}`).toEqual(alarms)
      }
    })
})

test('every leaf of the language has a case that fires it', () => {
  const fired = new Set<string>()
  for (const story of caseNames().map((name) => new TestCase(name))) {
    const ids = new Set(story.expected.alarms.map(({ rule }) => rule))
    for (const rule of story.rules.filter(({ id }) => ids.has(id))) {
      for (const [, condition] of conditionsOf(rule)) {
        for (const key of ['all', 'any', 'not'])
          if (JSON.stringify(condition).includes(`"${key}":`)) fired.add(key)
        for (const [, leaf] of leavesOf(condition)) for (const key of Object.keys(leaf)) fired.add(key)
      }
    }
  }
  const language = [...COMPARISONS, ...OVER_WINDOW, ...CONDITION_KEYS, 'of']
  expect(language.filter((key) => !fired.has(key))).toEqual([])
})
