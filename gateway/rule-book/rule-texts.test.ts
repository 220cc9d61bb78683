import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { JudgeStore } from '../judge/store.ts'
import type { Rule } from '../model/rule.ts'
import { Database } from '../registry/database.ts'
import { RuleChanges } from './rule-changes.ts'
import { RulePicture } from './rule-picture.ts'
import { RuleTexts } from './rule-texts.ts'

const rule = (more: Partial<Rule> = {}): Rule => ({
  id: 'a',
  version: 3,
  kind: 'cooking_fume',
  title: { en: 'a', zh: 'a' },
  basis: 'test',
  severity: { red: { metric: 'fume', above: 2 } },
  ...more,
})

let folder: string
let database: Database
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'gridwhistle-texts-'))
  database = new Database(join(folder, 'registry.db'))
})
afterEach(() => {
  database.close()
  rmSync(folder, { recursive: true })
})

const count = () => database.sql.prepare('SELECT count(*) AS count FROM rule_texts').get()!['count']

test('each text that raised an alarm is kept once, under its alarms, across a restart', () => {
  const texts = new RuleTexts(database)
  const [first, edited, later] = [rule(), rule({ basis: 'edited' }), rule({ version: 4 })]
  database.transaction(() => texts.note('x', first, 1))
  database.transaction(() => texts.note('y', edited, 2))
  // It went on under another version.
  for (const at of [3, 4]) database.transaction(() => texts.note('x', later, at))
  // As a pack is read again, its keys in any order.
  new RuleTexts(database).note(
    'z',
    Object.fromEntries(Object.entries(rule()).toReversed()) as unknown as Rule,
    5,
  )
  expect(count()).toBe(3)
  const again = new RuleTexts(database)
  expect(['x', 'y', 'z', 'none'].map((id) => again.ofAlarm(id).map((text) => text.rule))).toEqual([
    [first, later],
    [edited],
    [first],
    [],
  ])
  const picture = new RulePicture(join(folder, 'registry.db'))
  new JudgeStore(database).saveRules({ rules: [], since: new Map() })
  expect(new RuleChanges(database).latest()).toEqual([])
  expect([picture.version('a', 3), picture.version('a', 4), picture.version('a', 5)]).toEqual([
    first,
    later,
    undefined,
  ])
  picture.close()
})

test('what is taken back with its alarm is kept by the next one', () => {
  const texts = new RuleTexts(database)
  const known = rule()
  expect(() =>
    database.transaction(() => {
      texts.note('x', known, 1)
      throw new Error('full')
    }),
  ).toThrow('full')
  expect(count()).toBe(0)
  database.transaction(() => texts.note('y', known, 2))
  expect(texts.ofAlarm('y')).toHaveLength(1)
})

test('what the last run went by before texts were kept is kept at the first start, once', () => {
  new RuleTexts(database).keepFormer(1)
  expect(count()).toBe(0)
  const store = new JudgeStore(database)
  store.saveRules({ rules: [rule()], since: new Map() })
  const texts = new RuleTexts(database)
  texts.keepFormer(2)
  store.saveRules({ rules: [rule({ version: 4 })], since: new Map() })
  texts.keepFormer(3)
  expect(count()).toBe(1)
  expect(texts.version('a', 3)).toEqual(rule())
})
