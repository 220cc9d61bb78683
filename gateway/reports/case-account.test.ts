import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import type { CaseStep } from '../dispatch/case-ledger.ts'
import { Accounts, percentile, type AccountedCase, type Figures } from './accountability.ts'
import { CaseAccount, PROMISES, type Allowed } from './case-account.ts'

const MINUTE = 60_000
const ALLOWED: Allowed = { response: 10 * MINUTE, arrival: 20 * MINUTE, resolution: 240 * MINUTE }

/** Minutes, action, and what more there is. */
type Told = readonly [minute: number, action: string, more?: Partial<CaseStep>]

function account(...told: readonly Told[]): CaseAccount {
  const found = new CaseAccount(0)
  found.follow({ at: 0, action: 'assign', team: 'crew' })
  for (const [minute, action, more] of told) found.follow({ at: minute * MINUTE, action, ...more })
  return found
}

const standing = (found: CaseAccount, promise: 'response' | 'arrival' | 'resolution', minute: number) =>
  found.standing(promise, ALLOWED, minute * MINUTE)

describe('a promise', () => {
  test('is kept to the very end of its time, and is that of the team that kept it', () => {
    const found = account([10, 'accept', { crew: 'crew' }], [20.001, 'arrive'])
    expect(standing(found, 'response', 30)).toEqual({ outcome: 'inTime', ms: 10 * MINUTE, team: 'crew' })
    expect(standing(found, 'arrival', 30)).toMatchObject({ outcome: 'late' })
    expect(standing(found, 'resolution', 240)).toMatchObject({ outcome: 'pending', ms: null })
    expect(standing(found, 'resolution', 241)).toMatchObject({ outcome: 'late', ms: null })
  })

  test('that is broken is that of the team that held the case when its time ran out, whoever came then', () => {
    const found = account([10.5, 'deadline_yellow', { team: 'street' }], [12, 'accept', { crew: 'street' }])
    expect(standing(found, 'response', 30)).toEqual({ outcome: 'late', ms: 12 * MINUTE, team: 'crew' })
    expect(found.owner).toBe('street')
  })

  test('does not run while the case is suspended', () => {
    const found = account([5, 'suspend'], [65, 'resume'], [69, 'accept', { crew: 'crew' }])
    expect(standing(found, 'response', 80)).toMatchObject({ outcome: 'inTime', ms: 9 * MINUTE })
    expect(standing(account([5, 'suspend']), 'response', 1000)).toMatchObject({ outcome: 'pending' })
    expect(standing(account([5, 'suspend'], [1000, 'void']), 'response', 2000)).toMatchObject({
      outcome: 'pending',
    })
  })

  test('of a case that ended before its time ran out stays pending for good, and one broken before stays broken', () => {
    expect(standing(account([9, 'void']), 'response', 1000)).toMatchObject({ outcome: 'pending' })
    expect(standing(account([11, 'void']), 'response', 1000)).toMatchObject({ outcome: 'late' })
  })

  test('to resolve is kept by what lasted: a rework takes it back', () => {
    const done = account([5, 'accept', { crew: 'crew' }], [15, 'arrive'], [60, 'handle'])
    expect(standing(done, 'resolution', 90)).toMatchObject({ outcome: 'inTime', ms: 60 * MINUTE })
    done.follow({ at: 90 * MINUTE, action: 'rework' })
    expect(standing(done, 'resolution', 239)).toMatchObject({ outcome: 'pending' })
    done.follow({ at: 250 * MINUTE, action: 'handle' })
    expect(standing(done, 'resolution', 300)).toMatchObject({ outcome: 'late', ms: 250 * MINUTE })
    expect({ reworks: done.reworks, owner: done.owner }).toEqual({ reworks: 1, owner: 'crew' })
  })

  test('is never kept in less than no time, though the wall clock was set back', () => {
    expect(standing(account([-30, 'accept', { crew: 'crew' }]), 'response', 0)).toMatchObject({
      outcome: 'inTime',
      ms: 0,
    })
  })

  test('whoever accepted is the team of then, also where the timeline does not say which', () => {
    expect(account([1, 'accept']).owner).toBe('crew')
    expect(account([1, 'accept', { crew: 'b' }], [2, 'return', { team: 'street' }]).owner).toBe('street')
  })
})

test('what ended while a loudspeaker spoke is closed, and nobody has found anything', () => {
  const found = new CaseAccount(0, 'crew').follow({ at: MINUTE, action: 'close', code: 'confirmed' })
  expect(found).toMatchObject({ state: 'closed', code: null, owner: 'crew' })
  expect(standing(found, 'response', 1000)).toMatchObject({ outcome: 'pending' })
})

test('percentiles are by nearest rank', () => {
  expect(percentile([15, 20, 35, 40, 50], 0.3)).toBe(20)
  expect(percentile([15, 20, 35, 40, 50], 1)).toBe(50)
  expect(percentile([7], 0.5)).toBe(7)
  expect(percentile([], 0.5)).toBeNull()
})

const steps = fc.array(
  fc.record(
    {
      at: fc.integer({ min: 0, max: 500 * MINUTE }),
      action: fc.constantFrom(
        ...'assign accept arrive handle return rework suspend resume supervise verify close void'.split(' '),
      ),
      team: fc.constantFrom('a', 'b', 'c'),
      crew: fc.constantFrom('a', 'b', 'c'),
      code: fc.constantFrom('confirmed' as const, 'false_alarm' as const, 'duplicate' as const),
    },
    { requiredKeys: ['at', 'action'] },
  ),
  { maxLength: 12 },
)

const NOW = 400 * MINUTE

function accounted(told: readonly CaseStep[]): AccountedCase {
  const found = new CaseAccount(0, 'a')
  for (const step of told) found.follow(step)
  const standing = (promise: 'response' | 'arrival' | 'resolution') => found.standing(promise, ALLOWED, NOW)
  return {
    account: found,
    standings: {
      response: standing('response'),
      arrival: standing('arrival'),
      resolution: standing('resolution'),
    },
    answered: 0,
    satisfied: 0,
    whistles: { inTime: 0, late: 0, pending: 0 },
  }
}

function added(grouping: 'team' | 'street' | 'total', cases: readonly AccountedCase[]) {
  const accounts = new Accounts(grouping)
  for (const found of cases) accounts.add(found, [grouping === 'total' ? '' : found.account.owner])
  return accounts.figures()
}

describe('figures', () => {
  test('are the same in whatever order the cases come, and add up', () => {
    fc.assert(
      fc.property(
        fc
          .array(steps, { maxLength: 20 })
          .chain((lives) =>
            fc.tuple(fc.constant(lives), fc.shuffledSubarray(lives, { minLength: lives.length })),
          ),
        ([lives, shuffled]) => {
          for (const grouping of ['total', 'team', 'street'] as const) {
            const figures = added(grouping, lives.map(accounted))
            expect(added(grouping, shuffled.map(accounted))).toEqual(figures)
            const sum = (of: (figures: Figures) => number) =>
              [...figures.values()].reduce((total, each) => total + of(each), 0)
            expect(sum((each) => each.received)).toBe(lives.length)
            expect(sum((each) => each.open + each.closed + each.void)).toBe(lives.length)
            for (const promise of PROMISES) {
              expect(sum((each) => each[promise].of)).toBe(lives.length)
              expect(sum((each) => each[promise].inTime + each[promise].late + each[promise].pending)).toBe(
                lives.length,
              )
            }
          }
        },
      ),
      { numRuns: 100 },
    )
  })

  test('of every grouping but team have each promise of each case under the key of the case', () => {
    fc.assert(
      fc.property(fc.array(steps, { maxLength: 10 }), (lives) => {
        for (const each of added('street', lives.map(accounted)).values())
          for (const promise of PROMISES) expect(each[promise].of).toBe(each.received)
      }),
      { numRuns: 50 },
    )
  })
})
