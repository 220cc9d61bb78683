/** For the tests of people's reports: a small district with places, the desk on a real database, a clock to turn. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pino } from 'pino'
import { Alarms } from '../dispatch/alarms.ts'
import { Cases } from '../dispatch/cases.ts'
import { Queue } from '../dispatch/queue.ts'
import { loadDistrict } from '../district/district.ts'
import type { Case } from '../model/case.ts'
import type { Device } from '../model/device.ts'
import type { District } from '../model/district.ts'
import type { User } from '../model/user.ts'
import { Audit } from '../registry/audit.ts'
import { Database } from '../registry/database.ts'
import { People, type PeopleSettings } from './people.ts'
import type { ReportBody } from './report.ts'
import type { Receipt } from './report-desk.ts'

export const NOON = Date.parse('2024-06-01T12:00:00+08:00')
export const MINUTE = 60_000
export const DAY = 86_400_000
export const PLACE_KEY = 'the key of the places of the tests'

/** Two streets, a kitchen and a quay where people report, a gauge where they do not. */
const DISTRICT = `
id: small
title: { en: Small, zh: 小区 }
centre: [120.86, 32.0]
reach: 20000
streets:
  - { id: east, title: { en: East, zh: 东街 }, centre: [120.88, 32.0], grids: 9 }
  - { id: west, title: { en: West, zh: 西街 }, centre: [120.84, 32.0], grids: 9 }
categories:
  cooking-fume: { title: { en: Cooking fume, zh: 餐饮油烟 }, respond: 10m, arrive: 20m, resolve: 4h }
  riverbank: { title: { en: River bank, zh: 河岸秩序 }, respond: 15m, arrive: 1h, resolve: 1d }
  litter: { title: { en: Litter, zh: 暴露垃圾 } }
teams:
  - { id: east-crew, level: grid, streets: [east], title: { en: East crew, zh: 东街巡查组 } }
  - { id: west-crew, level: grid, streets: [west], title: { en: West crew, zh: 西街巡查组 } }
  - { id: centre, level: district, title: { en: Centre, zh: 指挥中心 } }
sites:
  - id: noodle-house
    title: { en: Old Street Noodle House, zh: 老街面馆 }
    street: east
    grid: east-003
    position: [120.8801, 32.0001]
    reports: {}
  - id: quay
    title: { en: Quay, zh: 码头 }
    street: west
    grid: west-002
    position: [120.8402, 32.0003]
    reports: { categories: [riverbank, litter] }
  - id: gauge
    title: { en: Gauge, zh: 水尺 }
    street: west
    grid: west-004
    position: [120.8430, 32.0030]
`

/** Read as any district's file is. */
export function smallDistrict(folder: string): District {
  const file = join(folder, 'district.yaml')
  writeFileSync(file, DISTRICT)
  return loadDistrict(file)
}

const SETTINGS: PeopleSettings = {
  joinMetres: 100,
  joinMs: 7 * DAY,
  keepContactMs: 180 * DAY,
  placeKey: PLACE_KEY,
}

export const admin: User = { name: 'admin', role: 'admin', street: null, team: null }
export const hotline: User = { name: 'hotline-12345', role: 'district', street: null, team: null }
export const eastCrew: User = { name: 'wang', role: 'team', street: null, team: 'east-crew' }

const device: Device = {
  id: 'fume-1',
  kind: 'cooking_fume',
  site: 'hotpot',
  street: 'east',
  grid: 'east-005',
  position: [120.89, 32.005],
}

export class Desk {
  readonly folder = mkdtempSync(join(tmpdir(), 'gridwhistle-people-'))
  readonly clock = { time: NOON, now: () => this.clock.time }
  readonly database = new Database(join(this.folder, 'registry.db'))
  readonly district = smallDistrict(this.folder)
  readonly audit: Audit
  readonly alarms: Alarms
  readonly cases: Cases
  readonly queue: Queue
  readonly people: People

  constructor(settings: Partial<PeopleSettings> = {}) {
    // The process "dies" here, never the machine, and tests are quick.
    this.database.sql.exec('PRAGMA synchronous=OFF')
    const { database, clock, district } = this
    const log = pino({ level: 'silent' })
    const devices = {
      get: (id: string) => (id === device.id ? device : undefined),
      origin: () => undefined,
      all: () => [device],
    }
    this.audit = new Audit(database, clock)
    this.audit.load()
    this.alarms = new Alarms(database)
    this.cases = new Cases(database)
    this.queue = new Queue({
      database,
      alarms: this.alarms,
      cases: this.cases,
      district,
      devices,
      clock,
      log,
    })
    this.people = new People({
      database,
      cases: this.cases,
      queue: this.queue,
      district,
      devices,
      audit: this.audit,
      clock,
      log,
      settings: { ...SETTINGS, ...settings },
    })
  }

  async close(): Promise<void> {
    await this.people.stop()
    await this.queue.stop()
    this.database.close()
    rmSync(this.folder, { recursive: true })
  }

  /** A report of somebody who has signed in, or of the hotline. */
  report(body: Partial<ReportBody> & { category?: string }, by: User = admin): Receipt {
    const whole = { category: 'cooking-fume', text: '油烟很大', ...body }
    return this.people.desk.take(this.people.desk.read(whole, whole.source ?? 'report', by))
  }

  /** Through the page behind the code of a place. */
  stranger(
    body: { client: string; place?: string; category?: string; text?: string; phone?: string },
    address = '203.0.113.7',
  ): Receipt {
    const { place = 'noodle-house', category = 'cooking-fume', ...rest } = body
    const code = this.people.places.codeOf(place)
    return this.people.strangers.report({ place: code, category, ...rest }, address)
  }

  /** An alarm that opens a case: orange, as a rule of cooking fume has it. */
  alarm(at = this.clock.now(), position = device.position): string {
    return this.queue.open({
      family: 'fume-over-limit',
      site: device.site,
      street: 'east',
      grid: 'east-005',
      category: 'cooking-fume',
      title: '油烟浓度超标 · hotpot',
      position: position as [number, number],
      severity: 'orange',
      simulated: false,
      respondMs: 10 * MINUTE,
      arriveMs: 20 * MINUTE,
      resolveMs: 240 * MINUTE,
      happenedAt: at,
      seed: `alarm-${at}`,
      entry: { at, actor: 'gateway', action: 'opened', note: 'alarm', position: null, files: [] },
    }).id
  }

  case(receipt: Receipt): Case {
    return this.cases.get(receipt.ticket.caseId)!
  }

  /** Leads a case to its end. */
  finish(caseId: string, publicNote?: string): void {
    const steps = [
      { action: 'accept' },
      { action: 'arrive', position: [120.88, 32] },
      { action: 'handle' },
      { action: 'verify' },
      { action: 'close', code: 'confirmed', ...(publicNote !== undefined && { publicNote }) },
    ] as const
    for (const step of steps) {
      this.clock.time += MINUTE
      const by = step.action === 'verify' || step.action === 'close' ? admin : eastCrew
      const request = 'position' in step ? { ...step, position: [...step.position] } : step
      const outcome = this.queue.act(caseId, by, request)
      if (outcome.type !== 'ok') throw new Error(`${step.action}: ${JSON.stringify(outcome)}`)
    }
  }
}
