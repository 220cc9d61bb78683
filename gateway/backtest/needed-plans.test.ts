import { expect, test } from 'vitest'
import type { Attributes } from '../../rules/local.ts'
import { rule, WORLD, x } from '../../rules/watched.fixture.ts'
import type { Condition } from '../model/rule.ts'
import { NeededPlans } from './needed-plans.ts'

const named = (id: string, red: Condition) => rule({ red }, { id })
const ids = (plans: NeededPlans, attributes: Attributes) =>
  plans.of('k', attributes)?.rules.map(({ rule }) => rule.id)

test('of rules that look at nobody else, those are left out that cannot hold', () => {
  const plans = new NeededPlans([named('free', x({ above: 1 })), named('own', x({ above: '$limit' }))], WORLD)
  expect(ids(plans, {})).toEqual(['free'])
  expect(ids(plans, { limit: 3 })).toEqual(['free', 'own'])
  expect(plans.of('k', {})).toBe(plans.of('k', { other: 1 }))
})

test('rules that look at others share what is late: all of them are kept, or none', () => {
  const stays = named('stays', { of: 'other', metric: 'x', above: 5 })
  const looks = named('looks', { of: 'upstream', metric: 'x', above: '$limit' })
  const plans = new NeededPlans([stays, looks], WORLD)
  expect(ids(plans, { upstream: 'up' })).toEqual(['stays', 'looks'])
  expect(ids(new NeededPlans([looks], WORLD), { upstream: 'up' })).toBeUndefined()
})
