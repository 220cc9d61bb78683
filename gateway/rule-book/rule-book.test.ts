import { join } from 'node:path'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { setImmediate as nextTurn } from 'node:timers/promises'
import { pino } from 'pino'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { loadKinds } from '../model/kinds.ts'
import type { Rule } from '../model/rule.ts'
import { Audit } from '../registry/audit.ts'
import { Database } from '../registry/database.ts'
import { RuleBook, type RuleBookParts } from './rule-book.ts'

const kinds = loadKinds()
const rule = (id: string, more: Partial<Rule> = {}): Rule => ({
  id,
  version: 3,
  kind: 'cooking_fume',
  title: { en: id, zh: id },
  basis: 'test',
  severity: { red: { metric: 'fume', above: 2 } },
  ...more,
})
const PACKS = [rule('a'), rule('b')]
const by = { actor: 'li' }

let folder: string
let database: Database
let audit: Audit
/** What the judge goes by. */
let adopted: readonly Rule[]
let refuse: Error | undefined

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'gridwhistle-rules-'))
  refuse = undefined
  database = new Database(join(folder, 'registry.db'))
  audit = new Audit(database, { now: () => 1 })
  audit.load()
})
afterEach(() => {
  database.close()
  rmSync(folder, { recursive: true })
})

function open(packs: readonly Rule[] = PACKS, more: Partial<RuleBookParts> = {}): RuleBook {
  const book = new RuleBook({
    database,
    audit,
    clock: { now: () => 1 },
    kinds,
    areas: new Map(),
    packs,
    log: pino({ level: 'silent' }),
    adopt: async (rules, along) => {
      await nextTurn()
      database.transaction(() => {
        along()
        if (refuse !== undefined) throw refuse
        adopted = rules
      })
    },
    ...more,
  })
  book.load()
  return book
}

const named = (rules: readonly Rule[]) => rules.map(({ id, version }) => `${id} ${version}`)
const audited = () =>
  audit
    .list({ limit: 100 })
    .items.map(({ actor, action, subject, detail }) => [actor, action, subject, detail])

test('what people made of a rule wins over its pack, here and after a restart', async () => {
  const book = open()
  await book.change('a', { ...rule('a'), version: 4, basis: 'ours' }, by)
  await book.create(rule('c'), { actor: 'li', note: 'trial' })
  await book.remove('b', by)
  for (const now of [book, open(), open([rule('a', { version: 9 }), rule('b', { version: 9 })])]) {
    expect(named(now.rules())).toEqual(['a 4', 'c 3'])
    expect(now.get('a')?.basis).toBe('ours')
    expect(now.get('b')).toBeUndefined()
    expect(now.removed().map(({ id }) => id)).toEqual(['b'])
    expect(['a', 'b', 'c', 'd'].map((id) => now.origin(id))).toEqual(['book', 'removed', 'book', undefined])
  }
  expect(named(adopted)).toEqual(['a 4', 'c 3'])
  expect(audited()).toEqual([
    ['li', 'rule.remove', 'b', 'version 3 → none'],
    ['li', 'rule.create', 'c', 'version 3: trial'],
    ['li', 'rule.change', 'a', 'version 3 → version 4'],
  ])
})

test('a reset gives the pack its say again', async () => {
  const book = open()
  await book.change('a', { ...rule('a'), version: 4 }, by)
  await book.remove('b', by)
  expect(await book.reset('a', by)).toEqual(PACKS[0])
  await book.reset('b', by)
  for (const now of [book, open()]) {
    expect(now.rules()).toEqual(PACKS)
    expect(now.origin('a')).toBe('pack')
  }
  expect(named(open([rule('a', { version: 5 })]).rules())).toEqual(['a 5'])
  await expect(book.reset('c', by)).rejects.toThrow('no pack has a rule "c"')
})

test('a removed rule may be made again, under a version that it never had', async () => {
  const book = open()
  await book.remove('a', by)
  await expect(book.remove('a', by)).rejects.toThrow('there is no rule "a"')
  await expect(book.create(rule('a'), by)).rejects.toThrow('has had version 3; expected a greater one')
  const { version: _, ...draft } = rule('a')
  expect((await book.create(draft, by)).version).toBe(4)
  expect(book.changes('a', 10).map(({ action, rule }) => [action, rule?.version])).toEqual([
    ['create', 4],
    ['remove', undefined],
  ])
})

describe('a version means one text for ever', () => {
  test('without a version a change gets the next one, and the same change again changes nothing', async () => {
    const book = open()
    const { version: _, ...draft } = rule('a', { basis: 'other' })
    const changed = await book.change('a', draft, by)
    expect(changed.version).toBe(4)
    expect(await book.change('a', changed, by)).toBe(book.get('a'))
    expect(book.changes('a', 10)).toHaveLength(1)
  })

  test.each([1, 3])('version %i of another text is refused', async (version) => {
    await expect(open().change('a', rule('a', { version, basis: 'other' }), by)).rejects.toThrow(
      '"a" has had version 3; expected a greater one, or none',
    )
  })

  test('who saw another version is told', async () => {
    const book = open()
    const draft = rule('a', { version: 5 })
    await expect(book.change('a', draft, by, 2)).rejects.toThrow('"a" is at version 3 by now')
    await expect(book.remove('a', by, 2)).rejects.toThrow('"a" is at version 3 by now')
    expect((await book.change('a', draft, by, 3)).version).toBe(5)
  })
})

describe('a change is refused as a whole', () => {
  test.each<[string, (book: RuleBook) => Promise<unknown>, string]>([
    ['there already', (book) => book.create(rule('a'), by), 'there is a rule "a" already'],
    ['not there', (book) => book.change('x', rule('x'), by), 'there is no rule "x"'],
    ['another id', (book) => book.change('a', rule('b'), by), 'expected "a"; an id cannot change'],
    ['no mapping', (book) => book.create([1], by), 'body: '],
    ['nothing', (book) => book.create(null, by), 'is missing'],
    ['a kind that is none', (book) => book.create(rule('c', { kind: 'x' }), by), 'kind: "x" is no kind'],
    [
      'a limit out of reach',
      (book) =>
        book.change('a', rule('a', { version: 4, severity: { red: { metric: 'fume', above: 1e9 } } }), by),
      'body: rule a: severity.red.above: 1000000000 can never hold',
    ],
    ['a version that is none', (book) => book.create({ ...rule('c'), version: '4' }, by), 'version: "4"'],
  ])('%s', async (_, change, message) => {
    const book = open()
    await expect(change(book)).rejects.toThrow(message)
    expect(book.rules()).toEqual(PACKS)
    expect(open().rules()).toEqual(PACKS)
    expect(audited()).toEqual([])
  })

  test('when the judge cannot take it', async () => {
    const book = open()
    refuse = new Error('disk full')
    await expect(book.remove('a', by)).rejects.toThrow('disk full')
    refuse = undefined
    expect(book.rules()).toEqual(PACKS)
    expect(audited()).toEqual([])
    expect(book.changes('a', 10)).toEqual([])
    await book.remove('a', by)
    expect(named(book.rules())).toEqual(['b 3'])
  })
})

test('a stored rule that is none any more is left out; the others stay', async () => {
  const book = open()
  await book.create(rule('c'), by)
  const text = JSON.stringify(rule('c', { kind: 'gone' }))
  database.sql.prepare(`UPDATE rule_changes SET rule = ? WHERE id = 'c'`).run(text)
  expect(open().rules()).toEqual(PACKS)
})

test('the last hundred versions of a rule are kept, and the newest is never lost', async () => {
  const book = open()
  for (let version = 4; version <= 120; version++) await book.change('a', rule('a', { version }), by)
  await book.create(rule('c'), by)
  expect(book.changes('a', 1000).map(({ rule }) => rule?.version)).toEqual(
    Array.from({ length: 100 }, (_, index) => 120 - index),
  )
  expect(named(open().rules())).toEqual(['a 120', 'b 3', 'c 3'])
})
