/** What the engine's tests share: rules of one line, and a book that listens to a device. */
import type { AreaGeometry } from '../gateway/model/area.ts'
import type { Flag, MetricValue, Position, Reading } from '../gateway/model/reading.ts'
import type { Condition, Rule } from '../gateway/model/rule.ts'
import { DeviceState, type Finding } from './device-state.ts'
import { advance, findings, observe, refresh } from './engine.ts'
import type { Attributes } from './local.ts'
import { planLinkedRules, planRules, type Plan, type World } from './plan.ts'
import { restore, snapshotOf, type Snapshot } from './snapshot.ts'

export const MINUTE = 60_000
export const BOUNDS = { latenessMs: 5 * MINUTE, staleAfterMs: 60 * MINUTE }
export const START = Date.UTC(2024, 5, 1)

export function rule(severity: Rule['severity'], more: Partial<Rule> = {}): Rule {
  return { id: 'r', version: 1, kind: 'k', title: { en: 'r', zh: 'r' }, basis: 'test', severity, ...more }
}

export const x = (comparison: object): Condition => ({ metric: 'x', ...comparison })

/** What a book would hold that listens to a device's changes. */
export class Watched {
  readonly book = new Map<string, Finding>()
  readonly changes: Finding[] = []
  state: DeviceState

  constructor(...rules: Rule[]) {
    this.state = new DeviceState('d', planRules(rules).get('k')!, BOUNDS)
  }

  /** Of a device of kind `k` with these attributes, in {@link WORLD}. */
  static of(rules: readonly Rule[], attributes: Attributes = {}): Watched {
    return Watched.#by(planRules(rules, WORLD).get('k')!, attributes)
  }

  /** The same for rules that look at other devices too. */
  static linked(rules: readonly Rule[], attributes: Attributes = {}): Watched {
    return Watched.#by(planLinkedRules(rules, WORLD).get('k')!, attributes)
  }

  static #by(plan: Plan, attributes: Attributes): Watched {
    const watched = new Watched(rule({ red: x({ above: 0 }) }))
    watched.state = new DeviceState('d', plan, BOUNDS, attributes)
    return watched
  }

  /** A reading `at` minutes, `delay` minutes under way. */
  at(minute: number, metrics: Record<string, MetricValue>, flags?: Record<string, Flag>, delay = 0): this {
    const ts = START + minute * MINUTE
    const reading: Reading = flags === undefined ? { ts, metrics } : { ts, metrics, flags }
    return this.observe([reading], ts + delay * MINUTE)
  }

  /** The same with a position. */
  moved(minute: number, position: Position): this {
    const ts = START + minute * MINUTE
    return this.observe([{ ts, metrics: {}, position }], ts)
  }

  observe(readings: readonly Reading[], receivedAt: number, source = 0): this {
    return this.#note(observe(this.state, readings, receivedAt, source))
  }

  tick(minute: number, absentMinute = minute): this {
    return this.#note(advance(this.state, START + minute * MINUTE, START + absentMinute * MINUTE))
  }

  restart(): this {
    const snapshot = JSON.parse(JSON.stringify(snapshotOf(this.state))) as Snapshot
    this.state = restore(snapshot, 'd', this.state.plan, BOUNDS)
    return this.#note(findings(this.state))
  }

  /** Goes on with this state, and hears of all that it finds. */
  adopt(state: DeviceState): this {
    this.state = state
    return this.#note(findings(state))
  }

  /** `[rule, severity, from, to]` in minutes of everything but the withdrawn. */
  get alarms(): [string, string, number, number | null][] {
    this.#note(refresh(this.state))
    return this.settled.map(({ rule, severity, startedAt, clearedAt }) => [
      rule.id,
      severity,
      (startedAt - START) / MINUTE,
      clearedAt === null ? null : (clearedAt - START) / MINUTE,
    ])
  }

  get settled(): Finding[] {
    this.#note(refresh(this.state))
    return [...this.book.values()]
      .filter(({ state }) => state !== 'withdrawn')
      .sort((a, b) => a.startedAt - b.startedAt || (a.id < b.id ? -1 : 1))
  }

  #note(changes: readonly Finding[]): this {
    for (const change of changes) this.book.set(change.id, change)
    this.changes.push(...changes)
    return this
  }
}

const title = { en: 'x', zh: 'x' }
const number = { type: 'number' as const, unit: 'u', title }
const boolean = { type: 'boolean' as const, unit: '', title }

/** A square of one degree, its south-west corner given. */
function square(lon: number, lat: number): AreaGeometry {
  const corners = [
    [lon, lat],
    [lon + 1, lat],
    [lon + 1, lat + 1],
    [lon, lat + 1],
    [lon, lat],
  ]
  return { type: 'Polygon', coordinates: [corners] }
}

/** Kind `k` with one metric of each sort, and two areas beside each other. */
export const WORLD: World = {
  kinds: new Map([
    [
      'k',
      {
        id: 'k',
        title,
        moving: true,
        metrics: {
          x: number,
          y: boolean,
          fan: boolean,
          level: { ...number, plausible: { minimum: -5, maximum: 20, step: 4, per: '1m' } },
          do: number,
          nh3n: number,
        },
      },
    ],
  ]),
  areas: new Map([
    ['west', square(120, 32)],
    ['east', square(121, 32)],
  ]),
}
