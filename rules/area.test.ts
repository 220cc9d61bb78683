import { booleanPointInPolygon } from '@turf/boolean-point-in-polygon'
import { array, assert, constantFrom, double, integer, property, tuple } from 'fast-check'
import { expect, test } from 'vitest'
import type { AreaGeometry } from '../gateway/model/area.ts'
import { Area } from './area.ts'

type Point = [number, number]
const closed = (points: readonly Point[]): Point[] => [...points, points[0]!]

/** A star around a centre, of so many corners, each as far out as said: border of any shape, also with steps. */
function star(lon: number, lat: number, reach: readonly number[]): Point[] {
  return closed(
    reach.map((far, index): Point => {
      const angle = (2 * Math.PI * index) / reach.length
      return [lon + far * Math.cos(angle), lat + far * Math.sin(angle)]
    }),
  )
}

const corner = tuple(integer({ min: 0, max: 6 }), integer({ min: 0, max: 6 }))
/** On a grid: borders that run along positions, touch and cross themselves. */
const onGrid = array(corner, { minLength: 3, maxLength: 12 }).map((points) => closed(points as Point[]))
const smooth = array(double({ min: 0.5, max: 3, noNaN: true }), { minLength: 3, maxLength: 400 }).map(
  (reach) => star(3, 3, reach),
)
const polygon = array(
  constantFrom(onGrid, smooth).chain((ring) => ring),
  { minLength: 1, maxLength: 3 },
)
const position = tuple(
  constantFrom(integer({ min: -1, max: 7 }), double({ min: -1, max: 7, noNaN: true })).chain((one) => one),
  constantFrom(integer({ min: -1, max: 7 }), double({ min: -1, max: 7, noNaN: true })).chain((one) => one),
)

test('a position is in an area exactly when turf says so, on its border and at its corners too', () => {
  assert(
    property(
      array(polygon, { minLength: 1, maxLength: 3 }),
      array(position, { minLength: 1 }),
      (parts, at) => {
        const whole: AreaGeometry = { type: 'MultiPolygon', coordinates: parts }
        const first: AreaGeometry = { type: 'Polygon', coordinates: parts[0]! }
        const corners = parts.flat(2).slice(0, 20)
        for (const geometry of [whole, first]) {
          const area = new Area(geometry)
          for (const [lon, lat] of [...at, ...corners]) {
            expect(area.holds([lon, lat])).toBe(booleanPointInPolygon([lon, lat], geometry))
          }
        }
      },
    ),
    { numRuns: 500 },
  )
})
