import * as fc from 'fast-check'
import { expect, test } from 'vitest'
import { deeperThan } from './json-body.ts'

function depthOf(value: unknown): number {
  if (typeof value !== 'object' || value === null) return 0
  return 1 + Math.max(0, ...Object.values(value).map(depthOf))
}

test('the depth of JSON is what its values say, whatever brackets its strings hold', () => {
  fc.assert(
    fc.property(
      fc.json({ stringUnit: fc.constantFrom('[', '{', '"', '\\', '}', ']', 'x') }),
      fc.nat(8),
      (json, limit) => {
        expect(deeperThan(json, limit)).toBe(depthOf(JSON.parse(json)) > limit)
      },
    ),
  )
})

test('a bomb of a million brackets is recognised by its first few', () => {
  expect(deeperThan('['.repeat(1_000_000), 64)).toBe(true)
})
