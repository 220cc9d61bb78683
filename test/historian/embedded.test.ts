import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { EmbeddedHistorian } from '../../gateway/historian/embedded.ts'
import { delivery, originOf, silent } from './stores.fixture.ts'

const T = 1_718_000_000_000
const HOUR = 3_600_000
const fume = originOf('fume-1', 'cooking_fume')
const everything = { kind: 'cooking_fume', metric: 'fume', from: 0, to: T * 2, limit: 10_000 }

let dir: string
let store: EmbeddedHistorian
beforeEach(async () => {
  dir = mkdtempSync(join(tmpdir(), 'gridwhistle-embedded-'))
  store = new EmbeddedHistorian('embedded', join(dir, 'history.db'), HOUR, silent)
  await store.start()
})
afterEach(async () => {
  await store.stop()
  rmSync(dir, { recursive: true, force: true })
})

test('readings and types outlive a restart', async () => {
  await store.write([delivery(fume, [{ ts: T, metrics: { fume: 1, fan: true } }])])
  await store.stop()
  await store.start()
  const rejects = await store.write([delivery(fume, [{ ts: T + 1, metrics: { fan: 1 } }])])
  expect(rejects.map(({ reason }) => reason)).toEqual([
    'field type conflict: "fan" of "cooking_fume" is number, already exists as boolean',
  ])
  expect(await store.query({ ...everything, device: 'fume-1' })).toEqual([[T, 1]])
})

test('what is older than it keeps is swept, counted from the newest point of its series', async () => {
  const old = Array.from({ length: 5_000 }, (_, index) => ({ ts: T + index, metrics: { fume: index } }))
  await store.write([
    delivery(fume, [...old, { ts: T + 2 * HOUR, metrics: { fume: 1 } }]),
    // A replay of the past has nothing newer behind it, so it stays whole.
    delivery(originOf('fume-past', 'cooking_fume'), [{ ts: 1000, metrics: { fume: 1 } }]),
  ])
  expect(await store.sweep()).toBe(5_000)
  expect(await store.query({ ...everything, device: 'fume-1' })).toEqual([[T + 2 * HOUR, 1]])
  expect(await store.query({ ...everything, device: 'fume-past' })).toEqual([[1000, 1]])
})
