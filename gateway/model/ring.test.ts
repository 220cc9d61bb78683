import { assert, integer, property, record, array } from 'fast-check'
import { describe, expect, test } from 'vitest'
import { areaFault } from './area.ts'
import { crossingOf, isFlat, type Ring } from './ring.ts'

const closed = (...corners: [number, number][]): Ring => [...corners, corners[0]!]

describe('a ring encloses something without crossing itself', () => {
  test.each<[string, Ring, string]>([
    ['a bow-tie', closed([120, 32], [121, 33], [121, 32], [120, 33]), 'crosses itself near [120.5, 32.5]'],
    ['a bow-tie of unequal halves', closed([0, 0], [4, 4], [4, 0], [0, 1]), 'crosses itself near [0.8, 0.8]'],
    ['a line there and back', closed([120, 32], [121, 33], [122, 34]), 'encloses no surface'],
    ['one point', closed([120, 32], [120, 32], [120, 32]), 'encloses no surface'],
    ['a bent line there and back', closed([120, 32], [121, 33], [122, 32], [121, 33]), 'encloses no surface'],
  ])('%s is none', (_, ring, fault) => {
    expect(areaFault({ type: 'Polygon', coordinates: [ring.map((corner) => [...corner])] })).toContain(fault)
  })

  test.each<[string, Ring]>([
    ['a triangle', closed([120, 32], [121, 32], [121, 33])],
    ['a horseshoe', closed([0, 0], [3, 0], [3, 3], [2, 3], [2, 1], [1, 1], [1, 3], [0, 3])],
    ['one that touches itself at a corner', closed([0, 0], [1, 1], [0, 2], [2, 2], [1, 1], [2, 0])],
    ['one with a corner twice', closed([0, 0], [1, 0], [1, 0], [1, 1])],
    ['a kitchen’s yard, ten metres wide', closed([120.857, 32.01], [120.8571, 32.01], [120.8571, 32.0101])],
  ])('%s does', (_, ring) => {
    expect([isFlat(ring), crossingOf(ring)]).toEqual([false, null])
  })

  test('of a border whose corners are seen one after the other from within, none cross', () => {
    const star = array(record({ turn: integer({ min: 1, max: 100 }), far: integer({ min: 1, max: 100 }) }), {
      minLength: 3,
      maxLength: 200,
    })
    assert(
      property(star, (steps) => {
        const whole = steps.reduce((sum, { turn }) => sum + turn, 0)
        let angle = 0
        const corners = steps.map(({ turn, far }): [number, number] => {
          angle += (turn / whole) * 2 * Math.PI
          return [(far / 100) * Math.cos(angle), (far / 100) * Math.sin(angle)]
        })
        // With a turn of more than half a circle the middle is outside.
        if (steps.some(({ turn }) => turn * 2 >= whole)) return
        expect(crossingOf(closed(...corners))).toBeNull()
      }),
    )
  })

  test('a border of thousands of corners takes no time, nor does a zigzag of them', () => {
    const circle = Array.from({ length: 19_998 }, (_, i): [number, number] => [
      Math.cos((i / 19_998) * 2 * Math.PI),
      Math.sin((i / 19_998) * 2 * Math.PI),
    ])
    const zigzag = circle.map((_, i): [number, number] => [i % 2, i / 1000])
    const begin = performance.now()
    expect(crossingOf(closed(...circle))).toBeNull()
    crossingOf(closed(...zigzag))
    expect(performance.now() - begin).toBeLessThan(2_000)
  })
})
