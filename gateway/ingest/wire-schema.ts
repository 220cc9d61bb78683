import { Type, type TObject } from 'typebox'
import type { Kind } from '../model/kind.ts'
import { FLAGS } from '../model/reading.ts'

/** The end of the year 2100. A clock that says more counts other units than milliseconds. */
export const LATEST = Date.UTC(2101, 0, 1) - 1

/** Of a mean: a year. */
export const LONGEST_SPAN_MS = 366 * 86_400_000

/** WGS-84; altitude in metres, from below every sea to above every aircraft. */
const Position = {
  type: 'array',
  items: [
    Type.Number({ minimum: -180, maximum: 180 }),
    Type.Number({ minimum: -90, maximum: 90 }),
    Type.Number({ minimum: -12_000, maximum: 100_000 }),
  ],
  minItems: 2,
  maxItems: 3,
  additionalItems: false,
} as const

/**
 * A reading as a device of this kind sends it (contract §2). Without the ranges of the metrics: those hold
 * only for values whose mark is N, since a faulty instrument may say anything. And without that there must be one of
 * them at least: who looks at each finds out, and to count them first takes a list of their names.
 */
export function wireSchema(kind: Kind): TObject {
  const names = Object.keys(kind.metrics)
  const metrics = Object.fromEntries(
    names.map((name) => [
      name,
      Type.Optional(kind.metrics[name]!.type === 'boolean' ? Type.Boolean() : Type.Number()),
    ]),
  )
  const mark = Type.Optional(Type.Enum([...FLAGS]))
  return Type.Object(
    {
      ts: Type.Optional(Type.Integer({ minimum: 0, maximum: LATEST })),
      metrics: Type.Object(metrics, { additionalProperties: false }),
      flags: Type.Optional(
        Type.Object(Object.fromEntries(names.map((name) => [name, mark])), { additionalProperties: false }),
      ),
      position: Type.Optional(Type.Unsafe(Position)),
      span: Type.Optional(Type.Integer({ minimum: 1, maximum: LONGEST_SPAN_MS })),
    },
    { additionalProperties: false },
  )
}
