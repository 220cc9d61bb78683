import { expect, test } from 'vitest'
import { ACTIONS, CASE_STATES, CLOSE_CODES, DEADLINE_COLOURS } from '../model/case.ts'
import { WHISTLE_ACTIONS, WHISTLE_STATES } from '../model/whistle.ts'
import { entryTerm, NOTES, TERMS } from './terms.ts'

test.each([
  ['state', CASE_STATES],
  ['action', ACTIONS],
  ['note', NOTES],
  ['closeCode', CLOSE_CODES],
  ['deadlineColour', DEADLINE_COLOURS],
  ['whistleState', WHISTLE_STATES],
  ['whistleAction', WHISTLE_ACTIONS],
] as const)('every %s has a title in both languages, and no two share one', (kind, words) => {
  const terms: Record<string, { zh: string; en: string }> = TERMS[kind]
  expect(Object.keys(terms)).toEqual([...words])
  for (const language of ['zh', 'en'] as const) {
    const titles = Object.values(terms).map((term) => term[language])
    expect(titles.every((title) => title.trim() !== '')).toBe(true)
    expect(new Set(titles).size).toBe(titles.length)
  }
})

test('an entry of a timeline has a title, and an unknown one keeps its name', () => {
  expect(entryTerm('accept').zh).toBe('接单')
  expect(entryTerm('opened').zh).toBe('立案')
  expect(entryTerm('constructor')).toEqual({ zh: 'constructor', en: 'constructor' })
})
