import { isDeepStrictEqual } from 'node:util'
import { checkRules, type Problem } from '../../rules/check.ts'
import { problemLine } from '../../rules/pack.ts'
import type { Log } from '../log.ts'
import type { Clock } from '../model/clock.ts'
import type { AreaGeometry } from '../model/area.ts'
import type { Kinds } from '../model/kind.ts'
import type { Rule } from '../model/rule.ts'
import type { Audit } from '../registry/audit.ts'
import type { Along, Database } from '../registry/database.ts'
import { RuleChanges, type RuleAction, type RuleChange } from './rule-changes.ts'

/** Rules in force at most. */
export const MOST_RULES = 1000
/** Ids ever used at most, those of removed rules too: a removed pack's rule has to stay known. */
const MOST_IDS = 5000

export interface RuleBookParts {
  readonly database: Database
  readonly audit: Audit
  readonly clock: Clock
  readonly kinds: Kinds
  /** Of the district, by name. */
  readonly areas: ReadonlyMap<string, AreaGeometry>
  /** What crews may be sent for; undefined for anything. */
  readonly categories?: ReadonlySet<string> | undefined
  /** The ground: rules of the packs, which have passed `checkRules`. */
  readonly packs: readonly Rule[]
  readonly log: Log
  /**
   * Has the judge go by the rules; `along` is part of the same transaction, which is on disk when it resolves. Rejects
   * when nothing has changed.
   */
  readonly adopt: (rules: readonly Rule[], along: Along) => Promise<void>
}

/** Who wants the change, and what for. */
export interface Author {
  readonly actor: string
  readonly note?: string | undefined
}

/** Where the rule of an id comes from; `removed`: the pack's is out of force, or there is none any more. */
export type RuleOrigin = 'pack' | 'book' | 'removed'

export type RuleRefusal = 'bad_rule' | 'exists' | 'not_found' | 'version_conflict' | 'full'

/** A change that was not made; the rules in force stay as they were. */
export class RuleRefused extends Error {
  override readonly name = 'RuleRefused'
  readonly code: RuleRefusal
  /** Of `bad_rule`. */
  readonly problems: readonly Problem[]

  constructor(code: RuleRefusal, message: string, problems: readonly Problem[] = []) {
    super(message)
    this.code = code
    this.problems = problems
  }
}

/**
 * The rules in force: those of the packs, and what people have made of them. What people made or changed wins over a
 * pack's rule of the same id, also over a newer one in the folder, until it is reset.
 *
 * A change is held against all other rules before anything happens. Then one transaction holds the new version, its
 * audit entry and what the judge makes of it. Changes are made one after the other, each against what the one before
 * has left.
 */
export class RuleBook {
  readonly #parts: RuleBookParts
  readonly #changes: RuleChanges
  readonly #packs: ReadonlyMap<string, Rule>
  /** By id. */
  readonly #latest = new Map<string, RuleChange>()
  #rules: ReadonlyMap<string, Rule> = new Map()
  #last: Promise<unknown> = Promise.resolve()

  constructor(parts: RuleBookParts) {
    this.#parts = parts
    this.#changes = new RuleChanges(parts.database)
    this.#packs = new Map(parts.packs.map((rule) => [rule.id, rule]))
  }

  /** A stored rule that is none any more (its kind is gone, or the language has changed) is left out, and logged. */
  load(): void {
    for (const change of this.#changes.latest()) this.#latest.set(change.id, change)
    const rules = this.#inForce(this.#latest)
    // A category that is gone is no reason to lose a rule.
    for (const problem of this.#check('rules', [...rules.values()], undefined)) {
      this.#parts.log.error({ problem: problemLine(problem) }, 'a stored rule is not valid and left out')
      rules.delete(problem.rule!)
    }
    this.#rules = rules
  }

  /** Those in force, the packs' first. */
  rules(): readonly Rule[] {
    return [...this.#rules.values()]
  }

  get(id: string): Rule | undefined {
    return this.#rules.get(id)
  }

  /** Rules of the packs that somebody has taken out of force. */
  removed(): readonly Rule[] {
    return [...this.#packs.values()].filter(({ id }) => this.#latest.get(id)?.action === 'remove')
  }

  /** Undefined: nobody has ever heard of it. */
  origin(id: string): RuleOrigin | undefined {
    const latest = this.#latest.get(id)
    if (latest === undefined || latest.action === 'reset')
      return this.#packs.has(id) ? 'pack' : latest && 'removed'
    return latest.action === 'remove' ? 'removed' : 'book'
  }

  pack(id: string): Rule | undefined {
    return this.#packs.get(id)
  }

  /** What was done to it, newest first, before number `before`. */
  changes(id: string, limit: number, before?: number): readonly RuleChange[] {
    return this.#changes.of(id, limit, before)
  }

  /** A rule that is not there yet, whatever `draft` is. Without a version it gets the next one. */
  create(draft: unknown, by: Author): Promise<Rule> {
    return this.#inTurn(() => this.#create(draft, by))
  }

  #create(draft: unknown, by: Author): Promise<Rule> {
    const id = idOf(draft)
    if (id !== undefined && this.#rules.has(id))
      throw new RuleRefused('exists', `there is a rule "${id}" already; change that one`)
    if (this.#rules.size >= MOST_RULES) throw new RuleRefused('full', `there are ${MOST_RULES} rules already`)
    if (id !== undefined && !this.#latest.has(id) && this.#latest.size >= MOST_IDS)
      throw new RuleRefused('full', `there is room for ${MOST_IDS} ids, those of removed rules too`)
    return this.#put('create', draft, by)
  }

  /** A new version of a rule that is there. The same version again changes nothing. */
  change(id: string, draft: unknown, by: Author, expectedVersion?: number): Promise<Rule> {
    return this.#inTurn(() => this.#change(id, draft, by, expectedVersion))
  }

  #change(id: string, draft: unknown, by: Author, expectedVersion?: number): Rule | Promise<Rule> {
    const present = this.#expect(id, expectedVersion)
    const given = idOf(draft)
    if (given !== id && given !== undefined)
      throw badRule([
        { file: 'body', rule: given, path: 'id', message: `expected "${id}"; an id cannot change` },
      ])
    const whole = isMapping(draft) ? { id, ...draft } : draft
    if (isDeepStrictEqual(whole, present)) return present
    return this.#put('change', whole, by)
  }

  remove(id: string, by: Author, expectedVersion?: number): Promise<void> {
    return this.#inTurn(() => {
      this.#expect(id, expectedVersion)
      return this.#make({ id, action: 'remove', rule: null }, by)
    })
  }

  /** Back to what the pack says, now and when it changes. */
  reset(id: string, by: Author, expectedVersion?: number): Promise<Rule> {
    return this.#inTurn(async () => {
      const pack = this.#packs.get(id)
      if (pack === undefined) throw new RuleRefused('not_found', `no pack has a rule "${id}"`)
      if (this.#rules.has(id)) this.#expect(id, expectedVersion)
      if (this.origin(id) !== 'pack') await this.#make({ id, action: 'reset', rule: null }, by)
      return pack
    })
  }

  /** When all changes that were asked for before are made or refused. */
  async #inTurn<T>(change: () => T | Promise<T>): Promise<T> {
    const mine = this.#last.then(change)
    this.#last = mine.catch(() => {})
    return mine
  }

  #expect(id: string, version: number | undefined): Rule {
    const present = this.#rules.get(id)
    if (present === undefined) throw new RuleRefused('not_found', `there is no rule "${id}"`)
    if (version === undefined || version === present.version) return present
    throw new RuleRefused('version_conflict', `"${id}" is at version ${present.version} by now`)
  }

  async #put(action: 'create' | 'change', draft: unknown, by: Author): Promise<Rule> {
    const newest = this.#newestVersion(idOf(draft))
    const rule = isMapping(draft) ? { ...draft, version: draft['version'] ?? newest + 1 } : draft
    const problems = this.#check('body', [rule], this.#parts.categories)
    if (problems.length > 0) throw badRule(problems)
    const checked = rule as Rule
    // So that a version always means the same text, wherever an alarm names it.
    if (checked.version <= newest)
      throw new RuleRefused(
        'version_conflict',
        `"${checked.id}" has had version ${newest}; expected a greater one, or none`,
      )
    await this.#make({ id: checked.id, action, rule: checked }, by)
    return checked
  }

  /** The greatest that the id has ever had, as far as that is kept; 0 for none. */
  #newestVersion(id: string | undefined): number {
    if (id === undefined) return 0
    const past = this.#changes.of(id, Number.MAX_SAFE_INTEGER).map(({ rule }) => rule?.version ?? 0)
    return Math.max(0, this.#packs.get(id)?.version ?? 0, ...past)
  }

  async #make(what: Pick<RuleChange, 'id' | 'action' | 'rule'>, { actor, note = '' }: Author): Promise<void> {
    const { adopt, audit, clock } = this.#parts
    const change = { ...what, at: clock.now(), actor, note: note === '' ? null : note }
    const latest = new Map(this.#latest).set(what.id, { ...change, number: Infinity })
    const rules = this.#inForce(latest)
    const detail = detailOf(change.action, this.#rules.get(what.id), rules.get(what.id), note)
    let made: RuleChange | undefined
    await adopt([...rules.values()], () => {
      made = this.#changes.add(change)
      audit.note(actor, `rule.${change.action}`, change.id, detail)
    })
    this.#latest.set(what.id, made!)
    this.#rules = rules
  }

  #inForce(latest: ReadonlyMap<string, RuleChange>): Map<string, Rule> {
    const rules = new Map(this.#packs)
    for (const { id, action, rule } of latest.values()) {
      if (action === 'remove') rules.delete(id)
      else if (rule !== null) rules.set(id, rule)
    }
    return rules
  }

  #check(
    file: string,
    rules: readonly unknown[],
    categories: RuleBookParts['categories'],
  ): readonly Problem[] {
    if (rules.length === 0) return []
    const { kinds, areas } = this.#parts
    return checkRules([{ file, content: { rules } }], kinds, areas, categories).problems
  }
}

function badRule(problems: readonly Problem[]): RuleRefused {
  return new RuleRefused('bad_rule', problems.map(problemLine).join('\n'), problems)
}

function isMapping(draft: unknown): draft is Record<string, unknown> {
  return typeof draft === 'object' && draft !== null && !Array.isArray(draft)
}

function idOf(draft: unknown): string | undefined {
  const id = isMapping(draft) ? draft['id'] : undefined
  return typeof id === 'string' ? id : undefined
}

function detailOf(
  action: RuleAction,
  before: Rule | undefined,
  after: Rule | undefined,
  note: string,
): string {
  const version = (rule: Rule | undefined) => (rule === undefined ? 'none' : `version ${rule.version}`)
  const change = action === 'create' ? version(after) : `${version(before)} → ${version(after)}`
  return note === '' ? change : `${change}: ${note}`
}
