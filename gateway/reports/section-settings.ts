import { readFileSync } from 'node:fs'
import { Ajv } from 'ajv'
import { Type, type Static, type TSchema } from 'typebox'
import { parse } from 'yaml'
import { RATED_METRICS, targetClass, WATER_BODIES, type RatedMetric } from '../../rules/surface-water.ts'
import { ConfigError } from '../config.ts'
import { IDENTIFIER_PATTERN } from '../model/identifier.ts'

/**
 * What the water-section report goes by (`sections.file`): targets, payers, prices and tiers. Everything has a
 * default. The prices are those of the Taihu scheme of 2007, the tiers those of 苏环办〔2021〕131号; where its
 * tiers begin and what it rewards was not found, so both are defaults of this project.
 */
const strict = { additionalProperties: false } as const
/** pH and dissolved oxygen have no load and no excess multiple, so nobody pays by them. */
export const PAID_METRICS = ['codmn', 'cod', 'bod5', 'nh3n', 'tp', 'tn'] as const
export type PaidMetric = (typeof PAID_METRICS)[number]

const CLASSES = ['I', 'II', 'III', 'IV', 'V', 'Ⅰ', 'Ⅱ', 'Ⅲ', 'Ⅳ', 'Ⅴ', 1, 2, 3, 4, 5] as const
const Name = Type.String({ minLength: 1, maxLength: 100 })
const Yuan = Type.Number({ minimum: 0, maximum: 1e12 })
/** Some of the metrics, each with a value of its own. */
function perMetric<M extends string>(metrics: readonly M[], value: TSchema, standard: object) {
  const properties = Object.fromEntries(metrics.map((metric) => [metric, Type.Optional(value)]))
  const schema = Type.Object(properties, { ...strict, default: standard })
  return Type.Unsafe<Partial<Record<M, number>>>(schema)
}

const SectionSchema = Type.Object(
  {
    title: Type.Optional(Type.Object({ en: Name, zh: Name }, strict)),
    target: Type.Optional(Type.Enum(CLASSES)),
    water: Type.Optional(Type.Enum(WATER_BODIES)),
    /** Who pays when the water is worse than its target … */
    upstream: Type.Optional(Name),
    /** … and who is paid, or pays when it is better. */
    downstream: Type.Optional(Name),
  },
  strict,
)

const SettingsSchema = Type.Object(
  {
    /** Where neither the section nor its station names one. */
    target: Type.Enum(CLASSES, { default: 'III' }),
    /** The factors that are paid for. */
    factors: Type.Array(Type.Enum(PAID_METRICS), { uniqueItems: true, default: ['codmn', 'nh3n', 'tp'] }),
    load: Type.Object(
      {
        /** Yuan for each tonne beyond the target, paid by the upstream side. */
        prices: perMetric(PAID_METRICS, Yuan, { codmn: 15_000, nh3n: 100_000, tp: 100_000 }),
        /** Yuan for each tonne below it when all factors keep it, paid by the downstream side. */
        rewards: perMetric(PAID_METRICS, Yuan, {}),
      },
      { ...strict, default: {} },
    ),
    tiers: Type.Object(
      {
        /** Yuan for a factor whose excess multiple is above 0 and at most `upTo`; the last one has no end. */
        steps: Type.Array(
          Type.Object(
            { upTo: Type.Optional(Type.Number({ exclusiveMinimum: 0 })), yuan: Yuan },
            { ...strict },
          ),
          {
            minItems: 1,
            maxItems: 20,
            default: [{ upTo: 0.5, yuan: 500_000 }, { upTo: 1, yuan: 750_000 }, { yuan: 1_250_000 }],
          },
        ),
        /** Yuan for a month in which all factors keep the target, paid by the downstream side. */
        reward: Type.Number({ minimum: 0, maximum: 1e12, default: 0 }),
      },
      { ...strict, default: {} },
    ),
    /** Hours between readings that are due, by metric: HJ 915-2017 has the five parameters hourly, the rest every 4 h. */
    everyHours: perMetric([...RATED_METRICS, 'flow'], Type.Enum([1, 2, 3, 4, 6, 8, 12, 24]), {}),
    /** By site. */
    sections: Type.Unsafe<Readonly<Record<string, Static<typeof SectionSchema>>>>(
      Type.Record(Type.String({ pattern: IDENTIFIER_PATTERN }), SectionSchema, { ...strict, default: {} }),
    ),
  },
  strict,
)
export type SectionSettings = Static<typeof SettingsSchema>

const validate = new Ajv({
  strict: false,
  strictNumbers: true,
  useDefaults: true,
  verbose: true,
}).compile<SectionSettings>(SettingsSchema)

/** Reads and checks the file, the defaults when none is given; throws {@link ConfigError}. */
export function loadSectionSettings(file?: string): SectionSettings {
  const settings = file === undefined ? {} : read(file)
  if (!validate(settings)) {
    const error = validate.errors![0]!
    const where = error.instancePath.slice(1).replaceAll('/', '.') || 'the file'
    const extra: unknown = error.params['additionalProperty'] ?? error.params['allowedValues']
    const value = typeof error.data === 'object' ? '' : `${JSON.stringify(error.data)} `
    const more = extra === undefined ? '' : ` (${JSON.stringify(extra)})`
    throw new ConfigError(`${file}: ${where}: ${value}${error.message}${more}`)
  }
  const problem = inconsistency(settings)
  if (problem !== undefined) throw new ConfigError(`${file}: ${problem}`)
  return settings
}

function read(file: string): unknown {
  try {
    return parse(readFileSync(file, 'utf8')) ?? {}
  } catch (error) {
    throw new ConfigError(`${file}: cannot be read: ${(error as Error).message.split(/:?\n/)[0]}`)
  }
}

/** What a schema cannot say: steps that rise and have no gap, a price for whatever is paid for. */
function inconsistency({ factors, load, tiers }: SectionSettings): string | undefined {
  const ends = tiers.steps.map((step) => step.upTo ?? Infinity)
  if (ends.at(-1) !== Infinity) return 'tiers.steps: the last one must have no upTo'
  if (ends.some((end, i) => i > 0 && end <= ends[i - 1]!)) return 'tiers.steps: upTo must rise'
  const unpriced = factors.find((metric) => load.prices[metric] === undefined)
  if (unpriced !== undefined) return `load.prices: ${unpriced} is one of the factors and has no price`
  return undefined
}

/** The class that the file sets for everybody. */
export function defaultTarget(settings: SectionSettings) {
  return targetClass(settings.target)!
}

/** Hours between readings of a metric that are due. */
export function dueEvery(settings: SectionSettings, metric: RatedMetric | 'flow'): number {
  return settings.everyHours[metric] ?? (HOURLY.has(metric) ? 1 : 4)
}

const HOURLY = new Set<string>(['ph', 'do', 'flow'])
