import { Type, type Static, type TSchema } from 'typebox'
import { DURATION_PATTERN } from './duration.ts'
import { IDENTIFIER_PATTERN } from './identifier.ts'

/**
 * The rule language of contract §3, as far as the engine judges it today: boolean trees of leaves with
 * thresholds, `mean` over a trailing window, and `absent`. A key that is not here is a schema error, so a
 * rule is never half understood.
 */
const Duration = Type.String({ pattern: DURATION_PATTERN })
const Name = Type.String({ pattern: '^[a-z][a-z0-9_]{0,63}$' })
const Range = Type.Array(Type.Number(), { minItems: 2, maxItems: 2 })

export const ThresholdSchema = Type.Object(
  {
    metric: Name,
    mean: Type.Optional(Duration),
    above: Type.Optional(Type.Number()),
    atLeast: Type.Optional(Type.Number()),
    below: Type.Optional(Type.Number()),
    atMost: Type.Optional(Type.Number()),
    inside: Type.Optional(Range),
    outside: Type.Optional(Range),
    is: Type.Optional(Type.Union([Type.Boolean(), Type.Number()])),
  },
  { additionalProperties: false },
)
export const AbsentSchema = Type.Object({ absent: Duration }, { additionalProperties: false })

export type Threshold = Static<typeof ThresholdSchema>
export type Absent = Static<typeof AbsentSchema>
export type Condition = Threshold | Absent | { all: Condition[] } | { any: Condition[] }

const Title = Type.Object({ en: Type.String(), zh: Type.String() }, { additionalProperties: false })

function schema(condition: TSchema) {
  return Type.Object(
    {
      id: Type.String({ pattern: IDENTIFIER_PATTERN }),
      version: Type.Integer({ minimum: 1 }),
      kind: Type.String({ minLength: 1 }),
      title: Title,
      /** Clause that the limit comes from. */
      basis: Type.String({ minLength: 1 }),
      effective: Type.Optional(
        Type.Object(
          { from: Type.String(), to: Type.Optional(Type.String()) },
          { additionalProperties: false },
        ),
      ),
      /** Rules of one family share a case per site; the rule's own id when absent. */
      family: Type.Optional(Type.String({ pattern: IDENTIFIER_PATTERN })),
      severity: Type.Object(
        {
          blue: Type.Optional(condition),
          yellow: Type.Optional(condition),
          orange: Type.Optional(condition),
          red: Type.Optional(condition),
        },
        { additionalProperties: false, minProperties: 1 },
      ),
      for: Type.Optional(Duration),
      clear: Type.Optional(
        Type.Object(
          { when: Type.Optional(condition), for: Type.Optional(Duration) },
          { additionalProperties: false },
        ),
      ),
      dispatch: Type.Optional(
        Type.Object(
          {
            from: Type.Union([
              Type.Literal('blue'),
              Type.Literal('yellow'),
              Type.Literal('orange'),
              Type.Literal('red'),
            ]),
            category: Type.String({ minLength: 1, maxLength: 64 }),
            respond: Duration,
            arrive: Duration,
            resolve: Duration,
          },
          { additionalProperties: false },
        ),
      ),
    },
    { additionalProperties: false },
  )
}

/** JSON Schema of one rule; `$defs` carries the recursive condition, so it stands alone for ajv and editors. */
const ConditionRef = Type.Unsafe<Condition>({ $ref: '#/$defs/condition' })
export const RuleSchema = { ...schema(ConditionRef) } as ReturnType<typeof schema>
export const RULE_DEFS = {
  condition: {
    anyOf: [
      ThresholdSchema,
      AbsentSchema,
      Type.Object({ all: Type.Array(ConditionRef, { minItems: 1 }) }, { additionalProperties: false }),
      Type.Object({ any: Type.Array(ConditionRef, { minItems: 1 }) }, { additionalProperties: false }),
    ],
  },
}

export interface Rule {
  id: string
  version: number
  kind: string
  title: { en: string; zh: string }
  basis: string
  effective?: { from: string; to?: string }
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
