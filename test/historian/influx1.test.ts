import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { createHistorian } from '../../gateway/historian/historian.ts'
import type { AlarmChange, Query } from '../../gateway/model/pipeline.ts'
import { hasInfluxd, Influxd } from '../services/influxd.ts'
import { delivery, originOf, settings, silent } from './stores.fixture.ts'

const T = 1_718_000_000_000
const fume = originOf('fume-1', 'cooking_fume')
const everything: Query = {
  device: 'fume-1',
  kind: 'cooking_fume',
  metric: 'fume',
  from: 0,
  to: T * 2,
  limit: 9,
}

describe.skipIf(!hasInfluxd)('InfluxDB 1.6.7', () => {
  let influxd: Influxd
  beforeAll(async () => {
    influxd = await Influxd.launch()
  })
  afterAll(() => influxd.dispose())

  const open = async (database: string, more: { gzip?: boolean; batch?: number } = {}) => {
    const store = createHistorian(
      settings({ type: 'influx1', url: influxd.url, database, ...more }),
      '',
      silent,
    )
    await store.start()
    return store
  }

  test('a point outside retention is isolated, and the rest of its batch is kept', async () => {
    await influxd.query('CREATE DATABASE "short" WITH DURATION 1d')
    const store = await open('short')
    const now = Date.now()
    const readings = Array.from({ length: 50 }, (_, index) => ({
      ts: index % 7 === 3 ? 1_000_000 + index : now + index,
      metrics: { fume: index },
    }))
    const rejects = await store.write(readings.map((reading, seq) => delivery(fume, [reading], seq)))
    expect(rejects.map(({ delivery }) => delivery.seq)).toEqual([3, 10, 17, 24, 31, 38, 45])
    for (const { reason } of rejects) expect(reason).toMatch(/beyond retention/)
    expect(await influxd.query('SELECT count(fume) FROM cooking_fume', 'short')).toEqual([[0, 43]])
  })

  test('a point outside retention and a type conflict in one batch are both found', async () => {
    await influxd.query('CREATE DATABASE "both" WITH DURATION 1d')
    const store = await open('both')
    const now = Date.now()
    await store.write([delivery(fume, [{ ts: now, metrics: { fume: 1 } }])])
    const readings = Array.from({ length: 60 }, (_, index) => ({
      ts: index % 20 === 7 ? 1_000_000 + index : now + index,
      metrics: { fume: index % 20 === 13 ? true : index },
    }))
    const rejects = await store.write(readings.map((reading, seq) => delivery(fume, [reading], seq)))
    expect(rejects.map(({ delivery }) => delivery.seq).sort((a, b) => a - b)).toEqual([7, 13, 27, 33, 47, 53])
  })

  test('a time that InfluxDB cannot hold is isolated', async () => {
    const store = await open('far')
    const rejects = await store.write([
      delivery(fume, [{ ts: T, metrics: { fume: 1 } }]),
      delivery(fume, [{ ts: -9_000_000_000_000_000, metrics: { fume: 1 } }]),
    ])
    expect(rejects.map(({ reading }) => reading.ts)).toEqual([-9_000_000_000_000_000])
    expect(await store.query(everything)).toEqual([[T, 1]])
  })

  test('a database that is dropped under way is created again', async () => {
    const store = await open('dropped')
    await store.write([delivery(fume, [{ ts: T, metrics: { fume: 1 } }])])
    await influxd.query('DROP DATABASE "dropped"')
    expect(await store.query(everything)).toEqual([])
    await store.write([delivery(fume, [{ ts: T + 1, metrics: { fume: 2 } }])])
    expect(await store.query(everything)).toEqual([[T + 1, 2]])
  })

  test('alarms go to the measurement of contract §6, each change once', async () => {
    const store = await open('alarms')
    const firing = alarmChange(1, 'firing')
    await store.writeAlarms([firing, alarmChange(2, 'cleared'), firing])
    expect(await influxd.query('SELECT rule, device, street, severity, state FROM alarm', 'alarms')).toEqual([
      [T + 1, 'fume-over-limit', 'fume-1', 'wenfeng', 'orange', 'firing'],
      [T + 2, 'fume-over-limit', 'fume-1', 'wenfeng', 'orange', 'cleared'],
    ])
  })

  test('compressed writes arrive, in requests of the size that is set', async () => {
    const store = await open('gzip', { gzip: true, batch: 7 })
    const readings = Array.from({ length: 100 }, (_, index) => ({ ts: T + index, metrics: { fume: index } }))
    expect(await store.write([delivery(fume, readings)])).toEqual([])
    expect(await influxd.query('SELECT count(fume) FROM cooking_fume', 'gzip')).toEqual([[0, 100]])
  })

  test('a server that is away is an error, never a reject', async () => {
    const store = createHistorian(settings({ type: 'influx1', url: 'http://127.0.0.1:1' }), '', silent)
    await expect(store.start()).rejects.toThrow(/ECONNREFUSED/)
    await expect(store.write([delivery(fume, [{ ts: T, metrics: { fume: 1 } }])])).rejects.toThrow(
      /fetch failed/,
    )
    await expect(store.query(everything)).rejects.toThrow(/ECONNREFUSED/)
  })
})

function alarmChange(seq: number, state: 'firing' | 'cleared'): AlarmChange {
  const alarm = {
    id: 'a1',
    rule: 'fume-over-limit',
    ruleVersion: 1,
    device: 'fume-1',
    kind: 'cooking_fume',
    site: 's',
    street: 'wenfeng',
    grid: 'wenfeng-001',
    severity: 'orange',
    state,
    startedAt: T,
    clearedAt: null,
    peak: 3,
    value: 3,
    case: null,
  } as const
  return { seq, at: T + seq, alarm }
}
