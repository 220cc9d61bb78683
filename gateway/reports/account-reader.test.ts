import { join } from 'node:path'
import * as fc from 'fast-check'
import { pino } from 'pino'
import { afterEach, describe, expect, test } from 'vitest'
import { LedgerFiller } from '../dispatch/case-ledger.ts'
import { loadDistrict } from '../district/district.ts'
import { ACTIONS } from '../model/case.ts'
import { admin, alarm, crew, MINUTE, NOON, rule, Stage, user } from '../dispatch/test-stage.ts'
import { Accounts, GROUPINGS } from './accountability.ts'
import { readAccounts, type AccountQuery } from './account-reader.ts'
import { CaseAccount } from './case-account.ts'

const DAY = 1440 * MINUTE
let stage: Stage
afterEach(() => stage.close())

function read(more: Partial<AccountQuery> = {}) {
  return readAccounts(join(stage.folder, 'registry.db'), {
    from: NOON,
    to: NOON + DAY,
    now: stage.clock.time,
    simulated: false,
    by: GROUPINGS,
    ...more,
  })
}

function opens(number: number): string {
  const id = `fume-over-limit:fume-1:${number}`
  stage.queue.record(
    alarm({ id, site: `site-${number}`, startedAt: stage.clock.time }),
    rule,
    stage.clock.now(),
  )
  return stage.alarms.get(id)!.case!
}

/** What whole timelines say, entry by entry, without the steps that the database keeps beside them. */
function fromTimelines(ids: readonly string[]) {
  const accounts = new Accounts('total')
  for (const id of ids) {
    const { timeline, respondMs, arriveMs, resolveMs, queuedAt } = {
      ...stage.cases.record(id)!,
      timeline: stage.case(id).timeline,
    }
    const account = new CaseAccount(queuedAt)
    for (const entry of timeline) account.follow(entry)
    const allowed = { response: respondMs, arrival: arriveMs, resolution: resolveMs }
    const standing = (promise: 'response' | 'arrival' | 'resolution') =>
      account.standing(promise, allowed, stage.clock.time)
    const standings = {
      response: standing('response'),
      arrival: standing('arrival'),
      resolution: standing('resolution'),
    }
    const whistles = account.whistled(stage.clock.time)
    accounts.add({ account, standings, answered: 0, satisfied: 0, whistles }, [''])
  }
  return accounts.figures().get('')
}

describe('accountability', () => {
  test('of any legal lives is what their timelines say, and agrees with the clocks of the cases', async () => {
    const deed = fc.record({
      which: fc.nat(2),
      action: fc.constantFrom(...ACTIONS),
      by: fc.constantFrom(admin, crew, user('street', { street: 'tangzhazhen' })),
      after: fc.constantFrom(0, 1, 3, 8, 30, 200),
    })
    await fc.assert(
      fc.asyncProperty(fc.array(deed, { minLength: 10, maxLength: 40 }), async (deeds) => {
        stage = new Stage()
        const ids = [1, 2, 3].map(opens)
        for (const { which, action, by, after } of deeds) {
          stage.clock.time += after * MINUTE
          stage.queue.settle()
          stage.queue.act(ids[which]!, by, {
            action,
            note: 'a, b',
            position: [120.8239, 32.0616],
            code: 'confirmed',
            until: stage.clock.time + 600 * MINUTE,
          })
        }
        const { total, groups } = read()
        expect(total).toEqual(fromTimelines(ids))
        const records = ids.map((id) => stage.cases.record(id)!)
        expect(total.closed).toBe(records.filter(({ state }) => state === 'closed').length)
        expect(total.void).toBe(records.filter(({ state }) => state === 'void').length)
        const answered = records.filter(({ respondedAt }) => respondedAt !== null)
        expect(total.response.p50 === null).toBe(answered.length === 0)
        for (const grouping of GROUPINGS)
          expect(groups[grouping]!.reduce((sum, each) => sum + each.received, 0)).toBe(3)
        await stage.close()
      }),
      { numRuns: 8 },
    )
    stage = new Stage()
  })

  test('counts a case that no alarm opened under its family, and one of two rules under both', () => {
    stage = new Stage()
    const id = opens(1)
    const other = { ...rule, id: 'fume-strict', family: 'fume-over-limit' }
    stage.queue.record(
      alarm({ id: 'fume-strict:fume-1:1', rule: 'fume-strict', site: 'site-1' }),
      other,
      stage.clock.now(),
    )
    expect(stage.case(id).alarms).toHaveLength(2)
    expect(read().groups.rule!.map(({ key, received }) => [key, received])).toEqual([
      ['fume-over-limit', 1],
      ['fume-strict', 1],
    ])
    expect(read().groups.day!.map(({ key }) => key)).toEqual(['2024-06-01'])
  })

  test('shows a team what is on its account, also what it was late for before the case went up', () => {
    stage = new Stage()
    const id = opens(1)
    const { team } = stage.case(id)
    // Blue, then yellow: the street and the district answer for it.
    stage.clock.time += 9 * MINUTE
    stage.queue.settle()
    const street = stage.case(id).team!
    stage.clock.time += 9 * MINUTE
    stage.queue.settle()
    expect(new Set([team, street, stage.case(id).team]).size).toBe(3)
    const own = (of: string) =>
      read({ team: of }).groups.team!.map(({ key, response }) => [key, response.late])
    expect(own(street)).toEqual([[street, 1]])
    expect(own(team!)).toEqual([])
    expect(read({ team: team! }).total.received).toBe(0)
    expect(read({ streets: ['wenfeng'] }).total.received).toBe(0)
  })

  test('knows cases from before there was a ledger, while it is being filled and after', () => {
    stage = new Stage()
    for (let number = 1; number <= 250; number++) {
      const id = opens(number)
      if (number % 3 === 0) stage.queue.act(id, crew, { action: 'accept' })
      stage.clock.time += MINUTE
    }
    const before = read()
    expect(before.total).toMatchObject({ received: 250, response: { inTime: 83 } })
    const { sql } = stage.database
    sql.exec(`DROP TRIGGER case_ledger_opens; DROP TRIGGER case_ledger_changes;
      DROP TRIGGER case_ledger_forgets; DROP TRIGGER case_ledger_follows;
      DROP TABLE case_ledger; DROP TABLE case_ledger_todo; DELETE FROM migrations WHERE name = 'case-ledger-1'`)
    const again = stage.afterCrash()
    const ledger = () => again.database.sql.prepare('SELECT * FROM case_ledger').all()
    const readAgain = () =>
      readAccounts(join(again.folder, 'registry.db'), { ...query(), now: again.clock.time, by: GROUPINGS })
    expect(readAgain()).toEqual(before)
    const filler = new LedgerFiller(again.database, pino({ level: 'silent' }))
    expect(filler.fill()).toBe(true)
    expect(ledger()).toHaveLength(100)
    expect(readAgain()).toEqual(before)
    // What happens meanwhile is in it, whether its case is there yet or not.
    for (const found of again.cases.list({}, 1000).items)
      if (found.state === 'dispatched') again.queue.act(found.id, admin, { action: 'accept' })
    const busy = readAgain()
    while (filler.fill());
    expect(ledger()).toHaveLength(250)
    expect(readAgain()).toEqual(busy)
    expect(busy.total.closed).toBe(0)
    const filled = ledger()
    filler.refill()
    while (filler.fill());
    filler.stop()
    expect(ledger()).toEqual(filled)
    return again.close()
  })

  test.each([
    [`UPDATE case_ledger SET steps = ''`],
    [`UPDATE case_ledger SET steps = replace(steps, 'accept', 'arrive')`],
    [`UPDATE case_ledger SET respond_ms = 1`],
    [`UPDATE case_ledger SET rules = 'another'`],
    [`UPDATE case_ledger SET street = 'wenfeng'`],
  ])('goes by the timelines where the ledger is wrong, and says so: %s', (damage) => {
    stage = new Stage()
    const id = opens(1)
    stage.clock.time += 4 * MINUTE
    stage.queue.act(id, crew, { action: 'accept' })
    const before = read()
    expect(before.drifted).toEqual([])
    stage.database.sql.exec(damage)
    expect(read()).toEqual({ ...before, drifted: [id] })
  })

  test('counts whistles by what the timeline says of them', () => {
    stage = new Stage()
    const [one, two] = [1, 2].map(opens) as [string, string]
    const departments = ['chengguan', 'huanbao', 'shuili']
      .map((_, index) => loadDistrict().teams.filter(({ level }) => level === 'department')[index]?.id)
      .filter((each) => each !== undefined)
    const [first, second] = departments as [string, string]
    const request = { note: '', reportIn: '10m' as const }
    expect(stage.queue.whistles.blow(one, admin, { ...request, departments: [first] }).type).toBe('ok')
    expect(stage.queue.whistles.blow(two, admin, { ...request, departments: [second] }).type).toBe('ok')
    expect(read().total.whistles).toMatchObject({ blown: 2, pending: 2 })
    stage.clock.time += 5 * MINUTE
    const position = [120.8239, 32.0616]
    stage.queue.whistles.act(one, first, 'report_in', admin, { position })
    stage.clock.time += 6 * MINUTE
    expect(read().total.whistles).toEqual({ blown: 2, inTime: 1, late: 1, pending: 0, share: 0.5 })
    stage.database.sql.exec('DELETE FROM whistles')
    expect(read().total.whistles).toEqual({ blown: 2, inTime: 1, late: 1, pending: 0, share: 0.5 })
  })

  test('lays no case on the account of who oversees a late department', () => {
    stage = new Stage()
    const id = opens(1)
    const { team } = stage.case(id)
    const department = loadDistrict().teams.find(({ level }) => level === 'department')!.id
    stage.queue.whistles.blow(id, admin, { note: '', departments: [department], reportIn: '1m' })
    stage.clock.time += 2 * MINUTE
    stage.queue.settle()
    expect(stage.case(id).timeline.at(-1)).toMatchObject({ action: 'supervise' })
    expect(stage.case(id).team).toBe(team)
    expect(read().groups.team!.map(({ key }) => key)).toEqual([team])
  })

  test('lists the sites with most confirmed cases, what is longest overdue and what is supervised', () => {
    stage = new Stage()
    const id = opens(1)
    stage.queue.act(id, admin, { action: 'supervise' })
    stage.clock.time += 300 * MINUTE
    const { overdue, supervised } = read({ lists: 5 })
    expect(overdue).toMatchObject([{ id, overMs: 60 * MINUTE, state: 'open' }])
    expect(supervised).toMatchObject([{ id }])
  })
})

function query(): AccountQuery {
  return { from: NOON, to: NOON + DAY, now: stage.clock.time, simulated: false, by: GROUPINGS }
}
