import { Type, type Static } from 'typebox'
import { AreaGeometrySchema, type AreaGeometry } from './area.ts'
import { DURATION_PATTERN } from './duration.ts'
import { IDENTIFIER_PATTERN } from './identifier.ts'
import { FLAGS } from './reading.ts'

/**
 * The rule language of contract §3. A key that is not here is a schema error, so a rule is never half understood.
 *
 * A condition's keys say what it is (`all`, `absent`, `metric` …), and the schema branches on them, so that an
 * error speaks of the leaf that was meant instead of every leaf that there is.
 */
const strict = { additionalProperties: false } as const
const Duration = Type.String({ pattern: DURATION_PATTERN })
/** Of one line: it goes into logs, tables and messages. */
export const LINE_PATTERN = '^[^\\u0000-\\u001f\\u007f-\\u009f\\u2028\\u2029]*$'
const Line = (maxLength: number) => Type.String({ minLength: 1, maxLength, pattern: LINE_PATTERN })
const MetricName = Type.String({ pattern: '^[a-z][a-z0-9_]{0,63}$' })

/** An attribute of the device (`$fume_limit`). */
const ATTRIBUTE = '\\$[A-Za-z][A-Za-z0-9_]{0,63}'
export const ATTRIBUTE_PATTERN = `^${ATTRIBUTE}$`
/** `2.0 mg/m³`: held against the unit of the metric. */
const MEASURE = '[-+]?\\d{1,15}(\\.\\d{1,9})? ?[^\\d\\s.].{0,23}'
export const LIMIT_PATTERN = `^(${ATTRIBUTE}|${MEASURE})$`
/** `10:30-22:00`; over midnight too, and `24:00` for the end of the day. */
const HOURS = '([01]\\d|2[0-3]):[0-5]\\d-(([01]\\d|2[0-3]):[0-5]\\d|24:00)'
export const HOURS_PATTERN = `^(${ATTRIBUTE}|${HOURS})$`

const Limit = Type.Unsafe<number | string>({ type: ['number', 'string'], pattern: LIMIT_PATTERN })
const Interval = Type.Array(Limit, { minItems: 2, maxItems: 2 })
const Condition = Type.Unsafe<Condition>({ $ref: '#/$defs/condition' })
/** Whose reading: a device's id, or the device that the attribute `upstream` or `linked` names; its own when absent. */
const Of = Type.Optional(Type.String({ pattern: IDENTIFIER_PATTERN }))
const Area = Type.String({ pattern: `^(${ATTRIBUTE}|[A-Za-z0-9][A-Za-z0-9_.-]{0,63})$` })

/** Comparisons that a leaf may make; it makes exactly one. */
export const COMPARISONS = ['above', 'atLeast', 'below', 'atMost', 'inside', 'outside', 'is'] as const
export type Comparison = (typeof COMPARISONS)[number]

/** What a leaf may make of a trailing window of event time; one at most. */
export const OVER_WINDOW = ['mean', 'min', 'max', 'sum', 'count', 'changes', 'p95', 'range', 'rate'] as const
export type OverWindow = (typeof OVER_WINDOW)[number]

export const DAYS = ['mon', 'tue', 'wed', 'thu', 'fri', 'sat', 'sun'] as const
export type Day = (typeof DAYS)[number]
export const CLASSES = ['I', 'II', 'III', 'IV', 'V', 'target'] as const

/** Seconds that a reading was under way, 0 up to ten: a metric that every kind has without sending it. */
export const DELAY_METRIC = 'delay'
/** Rules about devices of every kind. */
export const ANY_KIND = '*'

const ThresholdSchema = Type.Object(
  {
    of: Of,
    metric: MetricName,
    /** Of the normal values in the trailing window: their arithmetic mean … */
    mean: Type.Optional(Duration),
    min: Type.Optional(Duration),
    max: Type.Optional(Duration),
    sum: Type.Optional(Duration),
    count: Type.Optional(Duration),
    /** … how often one was another than the one before it … */
    changes: Type.Optional(Duration),
    /** … their 95th percentile (nearest rank) … */
    p95: Type.Optional(Duration),
    /** … the greatest less the least … */
    range: Type.Optional(Duration),
    /** … the newest less the oldest, per hour. */
    rate: Type.Optional(Duration),
    above: Type.Optional(Limit),
    atLeast: Type.Optional(Limit),
    below: Type.Optional(Limit),
    atMost: Type.Optional(Limit),
    /** Both ends included. */
    inside: Type.Optional(Interval),
    /** Both ends excluded: the negation of `inside`. */
    outside: Type.Optional(Interval),
    is: Type.Optional(
      Type.Unsafe<boolean | number | string>({
        type: ['boolean', 'number', 'string'],
        pattern: LIMIT_PATTERN,
      }),
    ),
  },
  strict,
)
const FlatSchema = Type.Object({ of: Of, metric: MetricName, flat: Duration }, strict)
const ImplausibleSchema = Type.Object({ of: Of, metric: MetricName, implausible: Type.Boolean() }, strict)
const FlaggedSchema = Type.Object(
  {
    of: Of,
    /** Any metric of the reading when absent. */
    metric: Type.Optional(MetricName),
    flag: Type.Array(Type.Enum([...FLAGS]), { minItems: 1, uniqueItems: true }),
  },
  strict,
)
const AbsentSchema = Type.Object({ of: Of, absent: Duration }, strict)
const WorseThanSchema = Type.Object({ of: Of, worseThan: Type.Enum([...CLASSES]) }, strict)
const InsideSchema = Type.Object({ of: Of, insideArea: Area }, strict)
const OutsideSchema = Type.Object({ of: Of, outsideArea: Area }, strict)
const CalendarSchema = Type.Object(
  {
    days: Type.Optional(Type.Array(Type.Enum([...DAYS]), { minItems: 1, uniqueItems: true })),
    hours: Type.Optional(Type.String({ pattern: HOURS_PATTERN })),
  },
  strict,
)
const AllSchema = Type.Object({ all: Type.Array(Condition, { minItems: 1, maxItems: 64 }) }, strict)
const AnySchema = Type.Object({ any: Type.Array(Condition, { minItems: 1, maxItems: 64 }) }, strict)
const NotSchema = Type.Object({ not: Condition }, strict)

export type Threshold = Static<typeof ThresholdSchema>
export type Flat = Static<typeof FlatSchema>
export type Implausible = Static<typeof ImplausibleSchema>
export type Flagged = Static<typeof FlaggedSchema>
export type Absent = Static<typeof AbsentSchema>
export type WorseThan = Static<typeof WorseThanSchema>
export type InsideArea = Static<typeof InsideSchema>
export type OutsideArea = Static<typeof OutsideSchema>
export type CalendarLeaf = Static<typeof CalendarSchema>
/** What a device says, or does not. */
export type DeviceLeaf =
  Threshold | Flat | Implausible | Flagged | Absent | WorseThan | InsideArea | OutsideArea
export type Leaf = DeviceLeaf | CalendarLeaf
export type Condition = Leaf | { all: Condition[] } | { any: Condition[] } | { not: Condition }

/** What a condition is, by the first of these keys that it has; a threshold when it has none of them. */
const BRANCHES = [
  ['all', AllSchema],
  ['any', AnySchema],
  ['not', NotSchema],
  ['absent', AbsentSchema],
  ['worseThan', WorseThanSchema],
  ['insideArea', InsideSchema],
  ['outsideArea', OutsideSchema],
  ['days', CalendarSchema],
  ['hours', CalendarSchema],
  ['flat', FlatSchema],
  ['implausible', ImplausibleSchema],
  ['flag', FlaggedSchema],
] as const
/** Keys that say what a condition is. */
export const CONDITION_KEYS = [...BRANCHES.map(([key]) => key), 'metric'] as const

const oneComparison = { oneOf: COMPARISONS.map((key) => ({ required: [key] })) }
const ConditionSchema = {
  type: 'object',
  ...BRANCHES.reduceRight<object>(
    (otherwise, [key, schema]) => ({
      if: { required: [key] },
      // oxlint-disable-next-line unicorn/no-thenable -- the keyword of JSON Schema
      then: schema,
      else: otherwise,
    }),
    { ...ThresholdSchema, ...oneComparison },
  ),
}

const Severity = Type.Union(['blue', 'yellow', 'orange', 'red'].map((level) => Type.Literal(level)))

/** Areas by the name that conditions call them. */
export const AreasSchema = Type.Record(Type.String({ pattern: IDENTIFIER_PATTERN }), AreaGeometrySchema, {
  additionalProperties: false,
  maxProperties: 1000,
})

/** JSON Schema of one rule; `$defs` carries the recursive condition, so it stands alone for ajv and editors. */
export const RuleSchema = Type.Object(
  {
    id: Type.String({ pattern: IDENTIFIER_PATTERN }),
    version: Type.Integer({ minimum: 1, maximum: 1_000_000_000 }),
    /** `*`: devices of every kind. */
    kind: Type.String({ minLength: 1, maxLength: 64 }),
    title: Type.Object({ en: Line(200), zh: Line(200) }, strict),
    /** Clause that the limit comes from. */
    basis: Line(500),
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
          category: Line(64),
          respond: Duration,
          arrive: Duration,
          resolve: Duration,
          /** The site's loudspeaker speaks first; a crew is sent if the condition still holds after `wait`. */
          speak: Type.Optional(
            Type.Object(
              {
                text: Type.Unsafe<SpokenText>({
                  // Branches, so that an error speaks of the one that was meant.
                  if: { type: 'string' },
                  // oxlint-disable-next-line unicorn/no-thenable -- the keyword of JSON Schema
                  then: Line(200),
                  else: Type.Object({ en: Line(200), zh: Line(200) }, strict),
                }),
                wait: Duration,
              },
              strict,
            ),
          ),
          /** The nearest device of the kind is told to look, with the place among the arguments; nobody waits for it. */
          look: Type.Optional(
            Type.Object(
              {
                kind: Type.String({ minLength: 1, maxLength: 64 }),
                command: Type.String({ pattern: '^[a-z][a-z0-9_.-]{0,63}$' }),
                args: Type.Optional(
                  Type.Record(
                    Type.String({ maxLength: 64 }),
                    Type.Union([Type.Number(), Type.Boolean(), Type.String({ maxLength: 256 })]),
                    {
                      maxProperties: 32,
                    },
                  ),
                ),
                /** Metres from the alarm's device; anywhere when absent. */
                within: Type.Optional(Type.Number({ exclusiveMinimum: 0, maximum: 1_000_000 })),
              },
              strict,
            ),
          ),
        },
        strict,
      ),
    ),
    /** Areas that its conditions name, before those of the same name in the district's file. */
    areas: Type.Optional(AreasSchema),
  },
  { ...strict, $defs: { condition: ConditionSchema } },
)

/** What a loudspeaker says: one text, or one for each language, Chinese first. */
export type SpokenText = string | { readonly en: string; readonly zh: string }

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
    speak?: { text: SpokenText; wait: string }
    look?: {
      kind: string
      command: string
      args?: Record<string, number | boolean | string>
      within?: number
    }
  }
  areas?: Record<string, AreaGeometry>
}
