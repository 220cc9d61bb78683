import { Type, type Static } from 'typebox'
import { DURATION_PATTERN } from './duration.ts'
import { IDENTIFIER_PATTERN } from './identifier.ts'

/**
 * The rule language of contract §3, as far as the engine judges it today: boolean trees of leaves with
 * thresholds, `mean` over a trailing window, and `absent`. A key that is not here is a schema error, so a
 * rule is never half understood.
 *
 * A condition's keys say what it is (`all`, `any`, `absent`, `metric`), and the schema branches on them, so
 * that an error speaks of the leaf that was meant instead of every leaf that there is.
 */
const strict = { additionalProperties: false } as const
const Duration = Type.String({ pattern: DURATION_PATTERN })
const Interval = Type.Array(Type.Number(), { minItems: 2, maxItems: 2 })
const Condition = Type.Unsafe<Condition>({ $ref: '#/$defs/condition' })

/** Comparisons that a leaf may make; it makes exactly one. */
export const COMPARISONS = ['above', 'atLeast', 'below', 'atMost', 'inside', 'outside', 'is'] as const
export type Comparison = (typeof COMPARISONS)[number]

const ThresholdSchema = Type.Object(
  {
    metric: Type.String({ pattern: '^[a-z][a-z0-9_]{0,63}$' }),
    /** Arithmetic mean of the normal values in the trailing window, event time. */
    mean: Type.Optional(Duration),
    above: Type.Optional(Type.Number()),
    atLeast: Type.Optional(Type.Number()),
    below: Type.Optional(Type.Number()),
    atMost: Type.Optional(Type.Number()),
    /** Both ends included. */
    inside: Type.Optional(Interval),
    /** Both ends excluded: the negation of `inside`. */
    outside: Type.Optional(Interval),
    is: Type.Optional(Type.Union([Type.Boolean(), Type.Number()])),
  },
  strict,
)
const AbsentSchema = Type.Object({ absent: Duration }, strict)
const AllSchema = Type.Object({ all: Type.Array(Condition, { minItems: 1, maxItems: 64 }) }, strict)
const AnySchema = Type.Object({ any: Type.Array(Condition, { minItems: 1, maxItems: 64 }) }, strict)

export type Threshold = Static<typeof ThresholdSchema>
export type Absent = Static<typeof AbsentSchema>
export type Condition = Threshold | Absent | { all: Condition[] } | { any: Condition[] }

const has = (key: string, schema: object, otherwise: object | false) => ({
  if: { required: [key] },
  // oxlint-disable-next-line unicorn/no-thenable -- the keyword of JSON Schema
  then: schema,
  else: otherwise,
})
const oneComparison = { oneOf: COMPARISONS.map((key) => ({ required: [key] })) }
const ConditionSchema = {
  type: 'object',
  ...has(
    'all',
    AllSchema,
    has('any', AnySchema, has('absent', AbsentSchema, { ...ThresholdSchema, ...oneComparison })),
  ),
}

const Severity = Type.Union(['blue', 'yellow', 'orange', 'red'].map((level) => Type.Literal(level)))

/** JSON Schema of one rule; `$defs` carries the recursive condition, so it stands alone for ajv and editors. */
export const RuleSchema = Type.Object(
  {
    id: Type.String({ pattern: IDENTIFIER_PATTERN }),
    version: Type.Integer({ minimum: 1 }),
    kind: Type.String({ minLength: 1, maxLength: 64 }),
    title: Type.Object(
      {
        en: Type.String({ minLength: 1, maxLength: 200 }),
        zh: Type.String({ minLength: 1, maxLength: 200 }),
      },
      strict,
    ),
    /** Clause that the limit comes from. */
    basis: Type.String({ minLength: 1, maxLength: 500 }),
    /** Days (`2001-01-01`, Asia/Shanghai) or instants with offset, of event time: `from` included, `to` not. */
    effective: Type.Optional(
      Type.Object({ from: Type.Optional(Type.String()), to: Type.Optional(Type.String()) }, strict),
    ),
    /** Rules of one family share a case per site; the rule's own id when absent. */
    family: Type.Optional(Type.String({ pattern: IDENTIFIER_PATTERN })),
    severity: Type.Object(
      {
        blue: Type.Optional(Condition),
        yellow: Type.Optional(Condition),
        orange: Type.Optional(Condition),
        red: Type.Optional(Condition),
      },
      { ...strict, minProperties: 1 },
    ),
    /** How long any of the severities must hold before the alarm fires; `0s` when absent. */
    for: Type.Optional(Duration),
    /** `when` must hold for `for`; the negation of all severities and `0s` when absent. */
    clear: Type.Optional(
      Type.Object({ when: Type.Optional(Condition), for: Type.Optional(Duration) }, strict),
    ),
    /** No case is opened without it. */
    dispatch: Type.Optional(
      Type.Object(
        {
          from: Severity,
          category: Type.String({ minLength: 1, maxLength: 64 }),
          respond: Duration,
          arrive: Duration,
          resolve: Duration,
        },
        strict,
      ),
    ),
  },
  { ...strict, $defs: { condition: ConditionSchema } },
)

export interface Rule {
  id: string
  version: number
  kind: string
  title: { en: string; zh: string }
  basis: string
  effective?: { from?: string; to?: string }
  family?: string
  severity: Partial<Record<'blue' | 'yellow' | 'orange' | 'red', Condition>>
  for?: string
  clear?: { when?: Condition; for?: string }
  dispatch?: {
    from: 'blue' | 'yellow' | 'orange' | 'red'
    category: string
    respond: string
    arrive: string
    resolve: string
  }
}
