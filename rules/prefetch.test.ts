import { expect, test } from 'vitest'
import { prefetch } from './prefetch.ts'
import { snapshotOf } from './snapshot.ts'
import { rule, Watched, x } from './watched.fixture.ts'

test('what is fetched beforehand stays as it is, of devices that were never heard too', () => {
  const rules = [
    rule({ red: x({ mean: '10m', above: '$limit' }) }),
    rule({ red: x({ changes: '1h', atLeast: 9 }) }, { id: 'often' }),
    ...Array.from({ length: 300 }, (_, index) =>
      rule({ red: x({ max: `${index + 1}s`, above: 9 }) }, { id: `${index}` }),
    ),
  ]
  const watched = [0, 1, 9, 500].map((readings) => {
    const one = Watched.of(rules, { limit: 3 })
    for (let index = 0; index < readings; index++) one.at(index / 6, { x: index % 9 })
    return one
  })
  const before = watched.map(({ state }) => snapshotOf(state))
  prefetch(watched.map(({ state }) => state))
  expect(watched.map(({ state }) => snapshotOf(state))).toEqual(before)
})
