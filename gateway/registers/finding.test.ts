import { expect, test } from 'vitest'
import type { CaseRecord } from '../dispatch/case-record.ts'
import type { Occasion } from '../dispatch/case-change.ts'
import { openFor } from './finding.ts'

const occasion = {
  family: 'patrol-riverbank',
  site: 'hao',
  street: 'wenfeng',
  severity: 'yellow',
} as Occasion

/** A case that is open already, with a story of so many entries. */
function desk(entries: number) {
  const opened: Occasion[] = []
  const open = { id: 'known', street: 'wenfeng', severity: 'yellow' } as CaseRecord
  const cases = { openFor: () => open, entries: () => entries }
  const queue = {
    open: (of: Occasion) => {
      opened.push(of)
      return { id: 'known', joined: true }
    },
  }
  return { opened, parts: { cases, queue } }
}

test('a story that is long enough tells of no further findings, unless they are worse', () => {
  const short = desk(499)
  expect(openFor(occasion, short.parts)).toBe('known')
  expect(short.opened).toHaveLength(1)
  const long = desk(500)
  expect(openFor(occasion, long.parts)).toBe('known')
  expect(long.opened).toEqual([])
  expect(openFor({ ...occasion, severity: 'red' }, long.parts)).toBe('known')
  expect(long.opened).toHaveLength(1)
})
