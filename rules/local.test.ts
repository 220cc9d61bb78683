import { expect, test } from 'vitest'
import type { AreaGeometry } from '../gateway/model/area.ts'
import { unreadable } from './local.ts'
import { planRules } from './plan.ts'
import { rule, Watched, WORLD, x } from './watched.fixture.ts'

const ROUTE: AreaGeometry = {
  type: 'Polygon',
  coordinates: [
    [
      [120, 32],
      [121, 32],
      [121, 33],
      [120, 32],
    ],
  ],
}
const RULES = [
  rule({ red: x({ above: '$limit' }) }, { id: 'over' }),
  rule({ red: { all: [x({ above: 1 }), { hours: '$business_hours' }] } }, { id: 'open' }),
  rule({ red: { outsideArea: '$route' } }, { id: 'off-route' }),
]
const PLAN = planRules(RULES, { ...WORLD, areas: new Map([['route-7', ROUTE]]) }).get('k')!

test.each([
  [{}, []],
  [{ limit: 2, business_hours: '10:30-22:00', route: 'route-7' }, []],
  [{ limit: '2.0', business_hours: '10:30 - 22:00' }, []],
  [{ limit: '5.2 m' }, [/^attributes\.limit: "5\.2 m" is not understood; expected a number without a unit/]],
  [{ limit: '0x10' }, [/limit/]],
  [{ limit: true }, [/limit: true/]],
  [{ business_hours: '10 to 22' }, [/business_hours: "10 to 22".* hours such as 10:30-22:00/]],
  [{ route: 'no-such' }, [/route: "no-such" is not understood; expected the name of an area/]],
] as const)(
  'attributes %j are told of where rules name them and cannot read them',
  (attributes, expected) => {
    const lines = unreadable(PLAN, attributes)
    expect(lines).toEqual(expected.map((pattern) => expect.stringMatching(pattern)))
  },
)

test('text that is nothing but a number is one: lists of devices come out of spreadsheets', () => {
  const watched = Watched.of([RULES[0]!], { limit: ' 2.0' })
  expect(watched.at(0, { x: 2 }).at(1, { x: 2.1 }).alarms).toEqual([['over', 'red', 1, null]])
})
