import * as fc from 'fast-check'
import { expect, test } from 'vitest'
import type { Point } from '../model/pipeline.ts'
import { pack, unpack } from './worker-protocol.ts'

test('points of every type come out of the worker as they went in', () => {
  const ts = fc.integer({ min: -1e15, max: 1e15 })
  for (const value of [fc.double(), fc.boolean(), fc.constantFrom('M', 'D')]) {
    fc.assert(
      fc.property(fc.array(fc.tuple(ts, value)), (points: Point[]) => {
        const packed = pack(points)
        expect(unpack(structuredClone(packed, { transfer: [packed.times.buffer] }))).toEqual(points)
      }),
    )
  }
})
