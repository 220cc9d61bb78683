import { SEVERITIES } from '../gateway/model/alarm.ts'
import { OVER_WINDOW, type Condition, type Leaf, type Rule, type Threshold } from '../gateway/model/rule.ts'
import { leavesOf } from './conditions.ts'
import { limitOf } from './limit.ts'

/** What came of an alarm whose case was found to be right or wrong. */
export interface Verdict {
  readonly case: string
  /** The most extreme value that the alarm judged. */
  readonly peak: number
  readonly confirmed: boolean
}

/** How many of the cases a limit would have raised. */
export interface Outcome {
  readonly limit: number
  readonly confirmed: number
  readonly false: number
}

export interface Suggestion {
  /** Where in the rule the limit stands: `severity.orange.all.0.above`. */
  readonly path: string
  readonly metric: string
  readonly present: Outcome
  readonly proposed: Outcome
  /** The rule with the proposed limit, under the next version. */
  readonly draft: Rule
}

/** Cases of each sort that a suggestion needs: fewer say more about chance than about the limit. */
export const LEAST_CASES = 10

/** There is nothing to suggest; the message says why. */
export class NoSuggestion extends Error {
  override readonly name = 'NoSuggestion'
}

/**
 * The limit on what the rule judges that separates confirmed cases from false ones best: the greatest share of the
 * confirmed kept less the share of the false kept (Youden 1950), of equals the one nearest to the present limit. A
 * case counts by the most extreme peak of its alarms.
 *
 * It moves the one limit from which crews are sent, only towards the stricter side and not up to the limit of the
 * next severity: of what was never raised nobody knows whether it was right. Throws {@link NoSuggestion}.
 */
export function suggest(rule: Rule, verdicts: readonly Verdict[]): Suggestion {
  const dial = dialOf(rule)
  const cases = worstOfEach(verdicts, dial.sign)
  const all = tally(cases, () => true)
  if (Math.min(all.confirmed, all.false) < LEAST_CASES)
    throw new NoSuggestion(
      `${all.confirmed} confirmed and ${all.false} false cases with a value; a suggestion needs ${LEAST_CASES} of each`,
    )
  const outcome = (limit: number): Outcome => ({
    limit,
    ...tally(cases, (peak) => (peak - limit) * dial.sign > 0 || (dial.includesLimit && peak === limit)),
  })
  const score = (of: Outcome): number => of.confirmed / all.confirmed - of.false / all.false
  const present = outcome(dial.limit)
  let proposed = present
  for (const limit of between(cases.map(({ peak }) => peak).sort((a, b) => (a - b) * dial.sign))) {
    const isStricter = (limit - dial.limit) * dial.sign > 0
    if (!isStricter || (dial.next !== null && (dial.next - limit) * dial.sign <= 0)) continue
    const candidate = outcome(limit)
    if (score(candidate) > score(proposed)) proposed = candidate
  }
  if (proposed === present)
    throw new NoSuggestion(
      `no limit separates ${all.confirmed} confirmed from ${all.false} false cases better than ${dial.limit}`,
    )
  const path = `severity.${dial.severity}${dial.path}`
  return { path, metric: dial.leaf.metric, present, proposed, draft: withLimit(rule, path, proposed.limit) }
}

/** The limit that a suggestion turns. */
interface Dial {
  readonly severity: (typeof SEVERITIES)[number]
  /** Within the severity's condition, its comparison included. */
  readonly path: string
  readonly leaf: Threshold
  readonly limit: number
  /** 1: greater is worse; -1: smaller is. */
  readonly sign: 1 | -1
  readonly includesLimit: boolean
  /** Of the next severity. */
  readonly next: number | null
}

const TURNED = { above: 1, atLeast: 1, below: -1, atMost: -1 } as const
type Turned = keyof typeof TURNED

interface Turn extends Pick<Dial, 'path' | 'leaf' | 'limit' | 'sign' | 'includesLimit'> {
  /** What is judged: metric, window and whose. */
  readonly signal: string
}

function dialOf(rule: Rule): Dial {
  if (rule.dispatch === undefined)
    throw new NoSuggestion('the rule sends nobody, so nobody says whether it is right')
  const turns = SEVERITIES.map((level) => turnsOf(rule.severity[level], `severity.${level}`))
  const every = turns.flat()
  const first = every[0]
  if (first === undefined) throw new NoSuggestion(NOTHING_TO_TURN)
  if (every.some(({ signal, sign }) => signal !== first.signal || sign !== first.sign))
    throw new NoSuggestion('the rule has limits on several values: of a peak nobody knows which one it is of')
  const from = SEVERITIES.findIndex(
    (level, at) => at >= SEVERITIES.indexOf(rule.dispatch!.from) && rule.severity[level],
  )
  const [turn, ...more] = turns[from] ?? []
  if (turn === undefined || more.length > 0)
    throw new NoSuggestion(
      `severity.${SEVERITIES[from] ?? rule.dispatch.from} has no limit, or more than one`,
    )
  return { ...turn, severity: SEVERITIES[from]!, next: turns.slice(from + 1).flat()[0]?.limit ?? null }
}

const NOTHING_TO_TURN = 'the rule has no threshold that could be suggested'

/** `at`: where the condition stands in the rule. */
function turnsOf(condition: Condition | undefined, at: string): Turn[] {
  if (condition === undefined) return []
  return leavesOf(condition).flatMap(([path, leaf]) => {
    if (!('metric' in leaf) || 'flag' in leaf || isSwitch(leaf)) {
      if ('worseThan' in leaf) throw new NoSuggestion('the rule judges a class, which is no limit to turn')
      return []
    }
    const key = (Object.keys(TURNED) as Turned[]).find((name) => name in leaf)
    if (key === undefined || path.includes('.not'))
      throw new NoSuggestion(`${NOTHING_TO_TURN}: ${at}${path} judges ${insteadOfLimit(leaf)}`)
    const threshold = leaf as Threshold
    const limit = limitOf(threshold[key]!)
    if ('attribute' in limit) throw new NoSuggestion(`the limit is each device's own ($${limit.attribute})`)
    const over = OVER_WINDOW.map((name) => threshold[name] && `${name} ${threshold[name]}`)
    const signal = [threshold.of, threshold.metric, ...over].filter(Boolean).join(' ')
    const turned = { sign: TURNED[key], includesLimit: key === 'atLeast' || key === 'atMost' }
    return [{ path: `${path}.${key}`, leaf: threshold, limit: limit.number, signal, ...turned }]
  })
}

/** What a leaf judges that has no one side which is worse the further it goes. */
function insteadOfLimit(leaf: Extract<Leaf, { metric?: unknown }>): string {
  if ('flat' in leaf) return `how long ${leaf.metric} stays the same`
  if ('implausible' in leaf) return `whether ${leaf.metric} is plausible`
  if ('inside' in leaf || 'outside' in leaf) return `an interval of ${leaf.metric}`
  if ('is' in leaf) return `one exact value of ${leaf.metric}`
  return `that ${leaf.metric} is not beyond a limit`
}

/** It has no number that could be a peak. */
function isSwitch(leaf: Leaf): boolean {
  return 'is' in leaf && typeof leaf.is === 'boolean'
}

function worstOfEach(verdicts: readonly Verdict[], sign: 1 | -1): readonly Verdict[] {
  const worst = new Map<string, Verdict>()
  for (const verdict of verdicts) {
    const known = worst.get(verdict.case)
    if (known === undefined || (verdict.peak - known.peak) * sign > 0) worst.set(verdict.case, verdict)
  }
  return [...worst.values()]
}

function tally(cases: readonly Verdict[], isRaised: (peak: number) => boolean): Omit<Outcome, 'limit'> {
  const raised = cases.filter(({ peak }) => isRaised(peak))
  const confirmed = raised.filter((found) => found.confirmed).length
  return { confirmed, false: raised.length - confirmed }
}

/** A limit between each two neighbours that differ, with as few decimals as will do. */
function between(peaks: readonly number[]): number[] {
  return peaks.slice(1).flatMap((peak, at) => {
    const [low, high] = [Math.min(peak, peaks[at]!), Math.max(peak, peaks[at]!)]
    for (let decimals = 0; decimals <= 6; decimals++) {
      const limit = Number(((low + high) / 2).toFixed(decimals))
      if (low < limit && limit < high) return [limit]
    }
    return []
  })
}

function withLimit(rule: Rule, path: string, limit: number): Rule {
  const draft = { ...structuredClone(rule), version: rule.version + 1 }
  const steps = path.split('.')
  const key = steps.pop()!
  let at: Record<string, unknown> = { ...draft }
  for (const step of steps) at = at[step] as Record<string, unknown>
  // `2.0 mg/m³` keeps its unit.
  at[key] = typeof at[key] === 'string' ? at[key].replace(/^[-+\d.]+/, String(limit)) : limit
  return draft
}
