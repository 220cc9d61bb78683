import * as fc from 'fast-check'
import { expect, test } from 'vitest'
import { distanceMetres } from '../dispatch/distance.ts'
import { converted } from './coordinates.ts'

// Vectors of eviltransform's tests, of gcoord, and of coordtransform (BD/GCJ).
test.each([
  ['wgs84', 'gcj02', [121.5272106, 31.1774276], [121.531541859215, 31.17530398364597]],
  ['wgs84', 'gcj02', [116.377817, 39.911954], [116.38404722455657, 39.91334545536069]],
  ['wgs84', 'gcj02', [120.8573, 32.0146], [120.861559, 32.012459]],
  ['wgs84', 'bd09', [120.8573, 32.0146], [120.867998, 32.018609]],
  ['gcj02', 'bd09', [116.404, 39.915], [116.41036949371029, 39.92133699351021]],
] as const)('%s → %s of %j', (from, to, [lon, lat], expected) => {
  const [longitude, latitude] = converted([lon, lat], from, to)
  expect(longitude).toBeCloseTo(expected[0], 6)
  expect(latitude).toBeCloseTo(expected[1], 6)
})

test('in China the way there and back ends within a metre of where it began', () => {
  const system = fc.constantFrom('gcj02', 'bd09')
  fc.assert(
    fc.property(
      fc.double({ min: 75, max: 130, noNaN: true }),
      fc.double({ min: 20, max: 50, noNaN: true }),
      system,
      (lon, lat, system) => {
        const back = converted(converted([lon, lat], 'wgs84', system), system, 'wgs84')
        expect(distanceMetres(back, [lon, lat])).toBeLessThan(1)
      },
    ),
  )
})
