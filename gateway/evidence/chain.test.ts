import * as fc from 'fast-check'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { alarm, crew, rule, Stage } from '../dispatch/test-stage.ts'
import type { TimelineEntry } from '../model/case.ts'
import { brokenLink, CHAIN_START, chainHash } from './chain.ts'

let stage: Stage
beforeEach(() => {
  stage = new Stage()
})
afterEach(async () => stage.close())

const entry = (note: string): TimelineEntry => ({
  at: 1,
  actor: 'wang',
  action: 'accept',
  note,
  position: null,
  files: [],
})

test('the hash is that of the canonical JSON, whatever the order of the keys', () => {
  // sha256 of {"case":"c","entry":{"action":"accept","actor":"wang","at":1,"files":[],"note":"","position":null},"number":1,"previous":"00…"}
  const { at, ...rest } = entry('')
  const hash = chainHash('c', 1, CHAIN_START, entry(''))
  expect(chainHash('c', 1, CHAIN_START, { ...rest, at })).toBe(hash)
  expect(hash).toBe('37bfcc7e38df82f2b31997444f271b9969cd62eca92b2f3676adfc56ae08a2da')
})

test('every entry of a case is chained to those before it, whoever wrote it', () => {
  const id = stage.opened()
  stage.queue.act(id, crew, { action: 'accept', note: '好' })
  stage.queue.record({ ...alarm(), state: 'cleared', clearedAt: stage.clock.time }, rule, stage.clock.time)
  stage.cases.note(id, [entry('kept')])
  const chain = stage.cases.chain(id)
  expect(chain.map(({ entry: { action } }) => action)).toEqual([
    'opened',
    'assign',
    'accept',
    'alarm_cleared',
    'verify_proposed',
    'accept',
  ])
  expect(brokenLink(id, chain)).toBeNull()
  expect(brokenLink('another', chain)).toBe(1)
})

test('whatever is changed, left out, added or moved breaks the chain at that place or the next', () => {
  const id = stage.opened()
  for (let i = 0; i < 8; i++) stage.cases.note(id, [entry(`note ${i}`)])
  const chain = stage.cases.chain(id)
  const any = fc.nat(chain.length - 1)
  fc.assert(
    fc.property(any, any, fc.constantFrom('change', 'remove', 'double', 'move'), (one, other, how) => {
      const forged = [...chain]
      const link = chain[one]!
      if (how === 'change') forged[one] = { ...link, entry: { ...link.entry, at: link.entry.at + 1 } }
      if (how === 'remove') forged.splice(one, 1)
      if (how === 'double') forged.splice(one, 0, link)
      if (how === 'move') {
        fc.pre(one !== other)
        forged.splice(other, 0, forged.splice(one, 1)[0]!)
      }
      const broken = brokenLink(id, forged)
      // Only the head tells of a last one that is missing.
      if (how === 'remove' && one === chain.length - 1) expect(broken).toBeNull()
      else
        expect(broken).toBe(how === 'double' ? one + 2 : how === 'move' ? Math.min(one, other) + 1 : one + 1)
    }),
  )
})

test('half a surrogate pair in a note is kept as what it is encoded as, and the chain holds', () => {
  const id = stage.opened()
  expect(stage.queue.act(id, crew, { action: 'accept', note: 'a\ud800b' }).type).toBe('ok')
  expect(stage.case(id).timeline.at(-1)!.note).toBe('a\ufffdb')
  expect(brokenLink(id, stage.cases.chain(id))).toBeNull()
})

test('timelines from before there was a chain are chained when they are next written or read', () => {
  const written = stage.opened()
  const before = stage.cases.chain(written)
  stage.database.sql.exec('UPDATE case_timeline SET hash = NULL')
  stage.queue.act(written, crew, { action: 'accept' })
  const chain = stage.cases.chain(written)
  expect(chain.slice(0, before.length)).toEqual(before)
  expect(brokenLink(written, chain)).toBeNull()
  stage.database.sql.exec('UPDATE case_timeline SET hash = NULL')
  expect(stage.cases.chain(written)).toEqual(chain)
})

test('an action names only files that are evidence of the case, over whatever wire it came', () => {
  const id = stage.opened()
  stage.queue.checkFiles((caseId, file) => caseId === id && file === 'photo')
  expect(stage.queue.act(id, crew, { action: 'accept', files: ['photo', 'other'] })).toMatchObject({
    type: 'invalid',
    field: 'files',
  })
  expect(stage.case(id).state).toBe('dispatched')
  expect(stage.queue.act(id, crew, { action: 'accept', files: ['photo'] }).type).toBe('ok')
})
