import { Ajv, type ErrorObject } from 'ajv'
import { SEVERITIES } from '../gateway/model/alarm.ts'
import { durationMs } from '../gateway/model/duration.ts'
import type { Kind, Kinds } from '../gateway/model/kind.ts'
import { COMPARISONS, RuleSchema, type Condition, type Rule, type Threshold } from '../gateway/model/rule.ts'
import { instantOf } from './effective.ts'

/** One mistake: where it is, and what was expected. */
export interface Problem {
  readonly file: string
  /** null when the mistake is the file's. */
  readonly rule: string | null
  /** `severity.red.above`; empty when the mistake is the whole rule's. */
  readonly path: string
  readonly message: string
}

/** A rule file after YAML. */
export interface RuleText {
  readonly file: string
  readonly content: unknown
}

/** Windows beyond this are a matter for the historian. */
const LONGEST_MS = 7 * 86_400_000
/** Nesting beyond this is nobody's rule; it also bounds the schema's recursion. */
const DEEPEST = 16

const validate = new Ajv({ allErrors: true, verbose: true, strict: false }).compile<Rule>(RuleSchema)

/** Holds rule files against the schema, the kinds and good sense. Rules with a problem are left out. */
export function checkRules(
  texts: readonly RuleText[],
  kinds: Kinds,
): { readonly rules: readonly Rule[]; readonly problems: readonly Problem[] } {
  const rules: Rule[] = []
  const problems: Problem[] = []
  const seen = new Map<string, string>()
  for (const { file, content } of texts) {
    for (const [index, entry] of entriesOf(content).entries()) {
      if (entry === null) {
        const message = 'expected a mapping with the key "rules" and a list of rules under it'
        problems.push({ file, rule: null, path: '', message })
        continue
      }
      const name = nameOf(entry, index)
      const found = checkRule(entry, kinds)
      const other = seen.get(name)
      if (other !== undefined)
        found.push({ path: 'id', message: `is used in ${other} too; expected another` })
      seen.set(name, file)
      problems.push(...found.map((problem) => ({ file, rule: name, ...problem })))
      if (found.length === 0) rules.push(entry as Rule)
    }
  }
  return { rules, problems }
}

type Found = Pick<Problem, 'path' | 'message'>

/** The rules of a file; a single null when it holds none. */
function entriesOf(content: unknown): readonly unknown[] {
  const isMapping = typeof content === 'object' && content !== null
  const rules = isMapping && 'rules' in content ? content.rules : undefined
  const isOnly = isMapping && Object.keys(content).length === 1
  return Array.isArray(rules) && isOnly && rules.length > 0 ? rules.map((rule) => rule ?? {}) : [null]
}

function nameOf(entry: unknown, index: number): string {
  const id = (entry as { id?: unknown }).id
  return typeof id === 'string' ? id : `#${index + 1}`
}

function checkRule(entry: unknown, kinds: Kinds): Found[] {
  if (depthOf(entry) > DEEPEST + 2) {
    return [{ path: '', message: `is nested deeper than ${DEEPEST} conditions` }]
  }
  if (!validate(entry)) return explain(validate.errors ?? [])
  const kind = kinds.get(entry.kind)
  if (kind === undefined) {
    return [{ path: 'kind', message: `"${entry.kind}" is no kind; expected one of ${listed(kinds.keys())}` }]
  }
  return [...checkTimes(entry), ...conditionsOf(entry).flatMap(([path, part]) => checkPart(part, path, kind))]
}

function depthOf(value: unknown): number {
  let depth = 0
  let level: unknown[] = [value]
  while (level.length > 0 && depth <= DEEPEST * 4) {
    depth++
    level = level.flatMap((item) => (typeof item === 'object' && item !== null ? Object.values(item) : []))
  }
  // A condition adds two levels: its mapping and its list.
  return depth / 2
}

function conditionsOf(rule: Rule): [string, Condition][] {
  const levels = SEVERITIES.flatMap((level): [string, Condition][] => {
    const condition = rule.severity[level]
    return condition === undefined ? [] : [[`severity.${level}`, condition]]
  })
  return rule.clear?.when === undefined ? levels : [...levels, ['clear.when', rule.clear.when]]
}

function checkTimes(rule: Rule): Found[] {
  const found: Found[] = []
  for (const key of ['from', 'to'] as const) {
    const text = rule.effective?.[key]
    if (text !== undefined && Number.isNaN(instantOf(text))) {
      found.push({
        path: `effective.${key}`,
        message: `"${text}" is not a date; expected one such as 2001-01-01`,
      })
    }
  }
  const { from, to } = rule.effective ?? {}
  if (found.length === 0 && from !== undefined && to !== undefined && instantOf(from) >= instantOf(to)) {
    found.push({ path: 'effective', message: `ends (${to}) before it begins (${from})` })
  }
  for (const [path, text] of [
    ['for', rule.for],
    ['clear.for', rule.clear?.for],
  ] as const) {
    if (text !== undefined) found.push(...checkLength(path, text, 0))
  }
  const lowest = SEVERITIES.findIndex((level) => rule.severity[level] !== undefined)
  const highest = SEVERITIES.findLastIndex((level) => rule.severity[level] !== undefined)
  if (rule.dispatch !== undefined && SEVERITIES.indexOf(rule.dispatch.from) > highest) {
    const message = `"${rule.dispatch.from}" is never reached; expected ${SEVERITIES[highest]} or lower`
    found.push({ path: 'dispatch.from', message })
  }
  for (let level = lowest; level < highest; level++) {
    const condition = JSON.stringify(rule.severity[SEVERITIES[level]!])
    const above = SEVERITIES.slice(level + 1).find((s) => JSON.stringify(rule.severity[s]) === condition)
    if (condition !== undefined && above !== undefined) {
      const message = `has no effect: ${above} holds whenever it does`
      found.push({ path: `severity.${SEVERITIES[level]}`, message })
    }
  }
  return found
}

function checkPart(condition: Condition, path: string, kind: Kind): Found[] {
  for (const key of ['all', 'any'] as const) {
    const parts = (condition as Partial<Record<typeof key, Condition[]>>)[key]
    if (parts !== undefined) {
      return parts.flatMap((part, index) => checkPart(part, `${path}.${key}.${index}`, kind))
    }
  }
  if ('absent' in condition) return checkLength(`${path}.absent`, condition.absent, 1)
  return checkLeaf(condition as Threshold, path, kind)
}

function checkLeaf(leaf: Threshold, path: string, kind: Kind): Found[] {
  const metric = kind.metrics[leaf.metric]
  if (metric === undefined) {
    const message = `"${leaf.metric}" is no metric of ${kind.id}; expected one of ${listed(Object.keys(kind.metrics))}`
    return [{ path: `${path}.metric`, message }]
  }
  const found = leaf.mean === undefined ? [] : checkLength(`${path}.mean`, leaf.mean, 1)
  const comparison = COMPARISONS.find((key) => leaf[key] !== undefined)!
  if (metric.type === 'boolean' && leaf.mean !== undefined) {
    found.push({ path: `${path}.mean`, message: `${leaf.metric} is true or false; it has no mean` })
  }
  if (metric.type === 'boolean' && typeof leaf[comparison] !== 'boolean') {
    const message = `${leaf.metric} is true or false; expected "is: true" or "is: false"`
    found.push({ path: `${path}.${comparison}`, message })
  }
  if (metric.type === 'number' && typeof leaf.is === 'boolean') {
    found.push({
      path: `${path}.is`,
      message: `${leaf.metric} is a number in ${metric.unit}; expected a number`,
    })
  }
  const interval = leaf.inside ?? leaf.outside
  if (interval !== undefined && interval[0]! >= interval[1]!) {
    found.push({ path: `${path}.${comparison}`, message: `expected the lower end first` })
  }
  if (found.length === 0) found.push(...checkReach(leaf, comparison, path, metric))
  return found
}

/** A limit that no value of the metric can be beyond never holds; one that all are beyond always does. */
function checkReach(
  leaf: Threshold,
  comparison: (typeof COMPARISONS)[number],
  path: string,
  { minimum = -Infinity, maximum = Infinity, unit }: Kind['metrics'][string],
): Found[] {
  const limit = leaf[comparison]
  if (typeof limit !== 'number') return []
  const isDead =
    (comparison === 'above' && limit >= maximum) ||
    (comparison === 'below' && limit <= minimum) ||
    ((comparison === 'atLeast' || comparison === 'is') && limit > maximum) ||
    ((comparison === 'atMost' || comparison === 'is') && limit < minimum)
  if (!isDead) return []
  const message = `${limit} can never hold: ${leaf.metric} goes from ${minimum} to ${maximum} ${unit}`
  return [{ path: `${path}.${comparison}`, message }]
}

function checkLength(path: string, text: string, least: number): Found[] {
  const length = durationMs(text)
  if (length >= least && length <= LONGEST_MS) return []
  return [{ path, message: `"${text}" is out of reach; expected ${least === 0 ? '0s' : '1ms'} to 7d` }]
}

function listed(names: Iterable<string>): string {
  return [...names].join(', ')
}

/** ajv reports the branch that failed and each `if` around it: the innermost says it, once per place. */
function explain(errors: readonly ErrorObject[]): Found[] {
  const found = new Map<string, Found>()
  for (const error of errors) {
    // `required` of a single comparison, and the branches around the one that failed, only repeat it.
    if (error.keyword === 'if' || error.schemaPath.includes('/oneOf/')) continue
    const path = error.instancePath.slice(1).replaceAll('/', '.')
    const at = (key: unknown): string => (path === '' ? String(key) : `${path}.${String(key)}`)
    const one =
      error.keyword === 'additionalProperties'
        ? { path: at(error.params['additionalProperty']), message: unknownKey(error) }
        : error.keyword === 'required'
          ? { path: at(error.params['missingProperty']), message: 'is missing' }
          : { path, message: expectation(error) }
    if (!found.has(one.path)) found.set(one.path, one)
  }
  return [...found.values()]
}

function unknownKey(error: ErrorObject): string {
  const known = Object.keys((error.parentSchema?.['properties'] as object | undefined) ?? {})
  const isLeaf = known.includes('above')
  return `unknown key; expected one of ${listed(isLeaf ? ['all', 'any', 'absent', ...known] : known)}`
}

function expectation(error: ErrorObject): string {
  const value = JSON.stringify(error.data).slice(0, 80)
  switch (error.keyword) {
    case 'oneOf':
      return `expected exactly one of ${listed(COMPARISONS)}`
    case 'anyOf': {
      const options = (error.schema as { const?: unknown; type?: unknown }[]).map((o) => o.const ?? o.type)
      return `${value} is not valid; expected one of ${options.join(', ')}`
    }
    case 'pattern':
      return String(error.schema).startsWith('^\\d')
        ? `${value} is not a duration; expected one such as 90s, 10m, 4h or 7d`
        : `${value} is not a name; expected letters, digits and ${String(error.schema)}`
    case 'minProperties':
      return `expected at least one of ${listed(SEVERITIES)}`
    default:
      return `${value} is not valid; ${error.message ?? 'expected something else'}`
  }
}
