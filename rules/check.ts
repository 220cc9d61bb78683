import { Ajv } from 'ajv'
import { Type } from 'typebox'
import { SEVERITIES } from '../gateway/model/alarm.ts'
import { areaFault, type AreaGeometry } from '../gateway/model/area.ts'
import { durationMs } from '../gateway/model/duration.ts'
import type { Kinds, Metric } from '../gateway/model/kind.ts'
import {
  ANY_KIND,
  AreasSchema,
  DELAY_METRIC,
  OVER_WINDOW,
  RuleSchema,
  type Condition,
  type Rule,
} from '../gateway/model/rule.ts'
import { conditionsOf, leavesOf } from './conditions.ts'
import { instantOf } from './effective.ts'
import { explain, listed, type Found } from './explain.ts'
import { checkLeaf, checkLength, type Vocabulary } from './leaf-check.ts'
import { rangeOf } from './interval.ts'
import { attributeOf } from './limit.ts'
import { canHold, type Goal, type Patience, type Ranges } from './reach.ts'

/** One mistake: where it is, and what was expected. */
export interface Problem extends Found {
  readonly file: string
  /** null when the mistake is the file's. */
  readonly rule: string | null
}

/** A rule file after YAML. */
export interface RuleText {
  readonly file: string
  readonly content: unknown
}

type Areas = ReadonlyMap<string, AreaGeometry>

/** Of what a rule is called by; a longer id is wrong anyway. */
const LONGEST_NAME = 64

/** After a case was queued. */
const LATEST_DEADLINE = '366d'

/** Nesting beyond this is nobody's rule; it also bounds the schema's recursion. */
const DEEPEST = 16

/**
 * Steps to be taken in search of contradictions, in all rules of a check together: less than 100 ms. The built-in rules
 * take one in twenty of them; what is built to take more is taken to be sensible.
 */
const PATIENCE = 15_000

/** Holds a value against a schema: looks for all mistakes, or for the first. */
function validators(schema: object) {
  const [all, first] = [true, false].map((allErrors) =>
    new Ajv({ allErrors, verbose: true, strict: false, strictNumbers: true }).compile(schema),
  )
  return { all: all!, first: first! }
}
const ruleValidators = validators(RuleSchema)
const areaValidators = validators(Type.Object({ areas: AreasSchema }))

/**
 * Of a value of more parts than this only the first mistake is told, and so it is after so many mistakes: to look
 * for all in a map of thousands of points would take seconds.
 */
const MANY_PARTS = 2_000
const MANY_MISTAKES = 200

/**
 * Holds rule files against the schema, the kinds, the areas (the district's, and those of the file itself) and good
 * sense. Rules with a problem are left out; the others carry what they need of their file's areas. `categories`: what
 * crews may be sent for; undefined for anything.
 */
export function checkRules(
  texts: readonly RuleText[],
  kinds: Kinds,
  districtAreas: Areas = new Map(),
  categories?: ReadonlySet<string>,
): { readonly rules: readonly Rule[]; readonly problems: readonly Problem[] } {
  const rules: Rule[] = []
  const problems: Problem[] = []
  const seen = new Map<string, string>()
  const patience = { steps: PATIENCE }
  for (const { file, content } of texts) {
    const read = readFile(content)
    problems.push(...read.found.map((found) => ({ file, rule: null, ...found })))
    for (const [index, entry] of read.rules.entries()) {
      const name = nameOf(entry, index)
      const found = checkRule(
        entry,
        kinds,
        new Map([...districtAreas, ...read.areas]),
        patience,
        problems.length,
      )
      if (found.length === 0) found.push(...checkCategory(entry as Rule, categories))
      const other = seen.get(name)
      if (other !== undefined)
        found.push({ path: 'id', message: `is used in ${other} too; expected another` })
      seen.set(name, file)
      problems.push(...found.map((problem) => ({ file, rule: name, ...problem })))
      if (found.length === 0) rules.push(withAreas(entry as Rule, read.areas))
    }
  }
  return { rules, problems }
}

function readFile(content: unknown): {
  readonly rules: readonly unknown[]
  readonly areas: Areas
  readonly found: readonly Found[]
} {
  const { rules, areas = {}, ...rest } = isMapping(content) ? content : {}
  if (!Array.isArray(rules) || rules.length === 0 || Object.keys(rest).length > 0) {
    const message = 'expected a mapping with the key "rules", a list of rules under it, and perhaps "areas"'
    return { rules: [], areas: new Map(), found: [{ path: '', message }] }
  }
  const entries = rules.map((rule: unknown) => rule ?? {})
  // Where they are wrong their names are known all the same: one mistake is one line.
  const named = isMapping(areas) ? (areas as Record<string, AreaGeometry>) : {}
  const found = mistakesIn({ areas }, areaValidators, 0)
  return {
    rules: entries,
    areas: new Map(Object.entries(named)),
    found: found.length > 0 ? found : checkAreas(named),
  }
}

/** `known`: mistakes that were found before. */
function mistakesIn(value: unknown, { all, first }: ReturnType<typeof validators>, known: number): Found[] {
  if (first(value)) return []
  if (known > MANY_MISTAKES || hasManyParts(value)) return explain(first.errors ?? [])
  all(value)
  return explain(all.errors ?? [])
}

function hasManyParts(value: unknown): boolean {
  const parts: unknown[] = [value]
  for (let at = 0; at < parts.length; at++) {
    const part = parts[at]
    if (typeof part !== 'object' || part === null) continue
    for (const inner of Object.values(part)) if (parts.push(inner) > MANY_PARTS) return true
  }
  return false
}

function isMapping(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

function checkAreas(areas: Readonly<Record<string, AreaGeometry>> = {}): Found[] {
  return Object.entries(areas).flatMap(([name, geometry]) => {
    const fault = areaFault(geometry)
    return fault === null ? [] : [{ path: `areas.${name}`, message: fault }]
  })
}

/** A rule is judged, saved and sent without its file: so it takes along what it names of the file's areas. */
function withAreas(rule: Rule, areas: Areas): Rule {
  const named = conditionsOf(rule).flatMap(([, condition]) =>
    leavesOf(condition).flatMap(([, leaf]) => {
      if ('insideArea' in leaf) return [leaf.insideArea]
      return 'outsideArea' in leaf ? [leaf.outsideArea] : []
    }),
  )
  const isAny = named.some((name) => attributeOf(name) !== null)
  const needed = [...areas].filter(([name]) => isAny || named.includes(name))
  return needed.length === 0 ? rule : { ...rule, areas: { ...Object.fromEntries(needed), ...rule.areas } }
}

function nameOf(entry: unknown, index: number): string {
  const id = (entry as { id?: unknown }).id
  return typeof id === 'string' ? id.slice(0, LONGEST_NAME) : `#${index + 1}`
}

function checkRule(draft: unknown, kinds: Kinds, areas: Areas, patience: Patience, known: number): Found[] {
  if (isTooDeep(draft)) return [{ path: '', message: `is nested deeper than ${DEEPEST} conditions` }]
  const mistakes = mistakesIn(draft, ruleValidators, known)
  if (mistakes.length > 0) return mistakes
  const entry = draft as Rule
  if (entry.kind !== ANY_KIND && !kinds.has(entry.kind)) {
    const expected = listed([...kinds.keys(), `${ANY_KIND} for all`])
    return [{ path: 'kind', message: `"${entry.kind}" is no kind; expected one of ${expected}` }]
  }
  const vocabulary = { kinds, areas: new Set([...areas.keys(), ...Object.keys(entry.areas ?? {})]) }
  const looker = entry.dispatch?.look?.kind
  if (looker !== undefined && !kinds.has(looker)) {
    const message = `"${looker}" is no kind; expected one of ${listed([...kinds.keys()])}`
    return [{ path: 'dispatch.look.kind', message }]
  }
  const found = [...checkTimes(entry), ...checkAreas(entry.areas), ...checkLeaves(entry, vocabulary)]
  return found.length > 0 ? found : checkSense(entry, rangesOf(entry.kind, kinds), patience)
}

function isTooDeep(entry: unknown): boolean {
  // A condition adds two levels: its mapping and its list. Geometries are deep too, and bounded by their schema.
  const limit = 2 * (DEEPEST + 2)
  let level: unknown[] = isMapping(entry) ? [{ ...entry, areas: undefined }] : [entry]
  for (let depth = 0; level.length > 0; depth++) {
    if (depth > limit) return true
    level = level.flatMap((item) => (typeof item === 'object' && item !== null ? Object.values(item) : []))
  }
  return false
}

function checkLeaves(rule: Rule, vocabulary: Vocabulary): Found[] {
  const found = conditionsOf(rule).flatMap(([path, condition]) =>
    leavesOf(condition, path).flatMap(([at, leaf]) => checkLeaf(leaf, at, rule.kind, vocabulary)),
  )
  const looksAtReadings = Object.values(rule.severity).some((condition) =>
    leavesOf(condition).some(([, leaf]) => !('days' in leaf || 'hours' in leaf)),
  )
  if (!looksAtReadings) found.push({ path: 'severity', message: 'looks at no reading, so nothing is judged' })
  return found
}

function checkCategory({ dispatch }: Rule, categories: ReadonlySet<string> | undefined): Found[] {
  if (dispatch === undefined || categories === undefined || categories.has(dispatch.category)) return []
  const message = `"${dispatch.category}" is no category of the district; expected one of ${listed([...categories].sort())}`
  return [{ path: 'dispatch.category', message }]
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
  for (const key of ['respond', 'arrive', 'resolve'] as const) {
    if (rule.dispatch !== undefined)
      found.push(...checkLength(`dispatch.${key}`, rule.dispatch[key], 1, LATEST_DEADLINE))
  }
  const highest = SEVERITIES.findLastIndex((level) => rule.severity[level] !== undefined)
  if (rule.dispatch !== undefined && SEVERITIES.indexOf(rule.dispatch.from) > highest) {
    const message = `"${rule.dispatch.from}" is never reached; expected ${SEVERITIES[highest]} or lower`
    found.push({ path: 'dispatch.from', message })
  }
  found.push(...checkDeadlines(rule.dispatch), ...checkSpeaking(rule.dispatch))
  return found
}

/** All three run from the moment the case is queued (contract §4): who has to arrive by 12:10 cannot answer at 12:20. */
function checkDeadlines(dispatch: Rule['dispatch']): Found[] {
  if (dispatch === undefined) return []
  return (
    [
      ['arrive', 'respond'],
      ['resolve', 'arrive'],
    ] as const
  ).flatMap(([key, before]) =>
    durationMs(dispatch[key]) >= durationMs(dispatch[before])
      ? []
      : [
          {
            path: `dispatch.${key}`,
            message: `${dispatch[key]} ends before ${before} (${dispatch[before]})`,
          },
        ],
  )
}

/** Who has to answer within ten minutes cannot wait for a loudspeaker as long. */
function checkSpeaking(dispatch: Rule['dispatch']): Found[] {
  if (dispatch?.speak === undefined) return []
  const { wait } = dispatch.speak
  const path = 'dispatch.speak.wait'
  const found = checkLength(path, wait, 1)
  if (found.length > 0 || durationMs(wait) < durationMs(dispatch.respond)) return found
  return [
    {
      path,
      message: `${wait} is not shorter than respond (${dispatch.respond}), by when a crew has to answer`,
    },
  ]
}

/** Severities that are never an alarm's, and an alarm that never ends. */
function checkSense(rule: Rule, ranges: Ranges, patience: Patience): Found[] {
  const levels = SEVERITIES.flatMap((level) => {
    const condition = rule.severity[level]
    return condition === undefined ? [] : [{ level, condition }]
  })
  const together = (...goals: Goal[]): boolean => canHold(goals, ranges, patience)
  const yes = (condition: Condition): Goal => ({ condition, negated: false })
  const no = (condition: Condition): Goal => ({ condition, negated: true })
  const found: Found[] = []
  for (const [index, { level, condition }] of levels.entries()) {
    const path = `severity.${level}`
    const higher = levels.slice(index + 1)
    if (!together(yes(condition))) {
      found.push({ path, message: 'can never hold: its parts contradict each other' })
    } else if (!together(no(condition))) {
      found.push({ path, message: 'always holds, so it says nothing and its alarm never clears' })
    } else if (!together(yes(condition), ...higher.map((other) => no(other.condition)))) {
      const covering = higher.find((other) => !together(yes(condition), no(other.condition)))
      const which = covering?.level ?? 'a higher one'
      found.push({ path, message: `has no effect: ${which} holds whenever it does` })
    }
  }
  const when = rule.clear?.when
  if (when === undefined || found.length > 0) return found
  if (!together(yes(when))) {
    found.push({ path: 'clear.when', message: 'can never hold: its parts contradict each other' })
  } else if (!together(yes(when), ...levels.map(({ condition }) => no(condition)))) {
    found.push({ path: 'clear.when', message: 'never clears: whenever it holds, a severity holds too' })
  }
  return found
}

/** Of another device's metrics nobody knows the kind: theirs are not bounded. */
function rangesOf(kind: string, kinds: Kinds): Ranges {
  const unbounded: Pick<Metric, 'type'> = { type: 'number' }
  return (leaf) => {
    const metric = leaf.of === undefined ? kinds.get(kind)?.metrics[leaf.metric] : undefined
    const known = leaf.metric === DELAY_METRIC ? undefined : metric
    return rangeOf(
      { ...unbounded, ...known } as Metric,
      OVER_WINDOW.find((key) => leaf[key] !== undefined),
    )
  }
}
