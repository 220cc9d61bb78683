import { cpSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pino } from 'pino'
import type { Alarm } from '../model/alarm.ts'
import type { Case } from '../model/case.ts'
import type { Device } from '../model/device.ts'
import type { Retainer } from '../model/pipeline.ts'
import type { Rule } from '../model/rule.ts'
import type { Role, User } from '../model/user.ts'
import { Database } from '../registry/database.ts'
import { Alarms } from './alarms.ts'
import { Cases } from './cases.ts'
import { loadDistrict } from '../district/district.ts'
import { Queue } from './queue.ts'

/** For the tests of this folder: a queue on a real database file, a clock to turn and a publisher that takes notes. */
export const NOON = Date.parse('2024-06-01T12:00:00+08:00')
export const MINUTE = 60_000

export const rule: Rule = {
  id: 'fume-over-limit',
  version: 3,
  kind: 'cooking_fume',
  title: { en: 'Cooking fume over the limit', zh: '油烟浓度超标' },
  basis: 'GB 18483-2001 table 2',
  severity: { yellow: { metric: 'fume', above: 1.6 }, orange: { metric: 'fume', above: 2 } },
  dispatch: { from: 'orange', category: 'cooking-fume', respond: '10m', arrive: '20m', resolve: '4h' },
}

export const device: Device = {
  id: 'fume-1',
  kind: 'cooking_fume',
  site: 'restaurant-1',
  street: 'tangzhazhen',
  grid: 'tangzhazhen-001',
  position: [120.8239, 32.0616],
}

/** Of the same restaurant, and made up. */
export const simulatedDevice: Device = { ...device, id: 'sim-fume-1', attributes: { simulated: true } }

export function alarm(more: Partial<Omit<Alarm, 'case'>> = {}): Omit<Alarm, 'case'> {
  return {
    id: 'fume-over-limit:fume-1:1',
    rule: rule.id,
    ruleVersion: rule.version,
    device: device.id,
    kind: device.kind,
    site: device.site,
    street: device.street,
    grid: device.grid,
    severity: 'orange',
    state: 'firing',
    startedAt: NOON,
    clearedAt: null,
    peak: 2.4,
    value: 2.4,
    ...more,
  }
}

export function user(role: Role, more: Partial<User> = {}): User {
  return { name: `a-${role}`, role, street: null, team: null, ...more }
}
export const admin = user('admin')
export const crew = user('team', { name: 'wang', team: 'tangzhazhen-crew' })

export interface Told {
  readonly topic: string
  readonly payload: string
  readonly retain: boolean
}

export class RecordingPublisher implements Retainer {
  readonly told: Told[] = []
  broken = false

  async publish(topic: string, payload: string, options: { qos: 0 | 1; retain: boolean }): Promise<void> {
    if (this.broken) throw new Error('the broker is down')
    this.told.push({ topic, payload, retain: options.retain })
  }

  *retainedTopics(filter: string): Generator<string> {
    const pattern = new RegExp(`^${filter.replaceAll('+', '[^/]+')}$`)
    for (const topic of this.retained().keys()) if (pattern.test(topic)) yield topic
  }

  /** What a subscriber that comes now finds. */
  retained(): Map<string, string> {
    const kept = new Map<string, string>()
    for (const { topic, payload, retain } of this.told) {
      if (retain) kept.set(topic, payload)
    }
    return new Map([...kept].filter(([, payload]) => payload !== ''))
  }
}

export class Stage {
  readonly clock = { time: NOON, now: () => this.clock.time }
  readonly publisher = new RecordingPublisher()
  /** Devices beside those that every test knows. */
  others: readonly Device[] = []
  readonly folder: string
  readonly database: Database
  readonly alarms: Alarms
  readonly cases: Cases
  readonly queue: Queue

  constructor(
    folder = mkdtempSync(join(tmpdir(), 'gridwhistle-dispatch-')),
    callsForSimulated = false,
    district = loadDistrict(),
  ) {
    this.folder = folder
    this.database = new Database(join(folder, 'registry.db'))
    // The process "dies" here, never the machine: what is written counts as on disk, and tests are quick.
    this.database.sql.exec('PRAGMA synchronous=OFF')
    this.alarms = new Alarms(this.database)
    this.cases = new Cases(this.database)
    this.queue = new Queue({
      database: this.database,
      alarms: this.alarms,
      cases: this.cases,
      district,
      devices: {
        get: (id) => [device, simulatedDevice, ...this.others].find((known) => known.id === id),
        origin: () => undefined,
        all: () => [device, simulatedDevice, ...this.others],
      },
      clock: this.clock,
      log: pino({ level: 'silent' }),
      callsForSimulated,
    })
    this.queue.publishThrough(this.publisher)
  }

  /** Another gateway that starts with what this one has on disk at this instant, as after a kill. */
  afterCrash(): Stage {
    const folder = mkdtempSync(join(tmpdir(), 'gridwhistle-dispatch-'))
    cpSync(this.folder, folder, { recursive: true })
    const stage = new Stage(folder)
    stage.clock.time = this.clock.time
    return stage
  }

  async close(): Promise<void> {
    await this.queue.stop()
    this.database.close()
    rmSync(this.folder, { recursive: true })
  }

  /** The case of the one alarm that most tests need. */
  opened(): string {
    this.queue.record(alarm(), rule, this.clock.now())
    return this.alarms.get(alarm().id)!.case!
  }

  case(id: string): Case {
    return this.cases.get(id)!
  }
}
