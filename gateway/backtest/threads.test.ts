import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { BUILT_IN_PACKS, loadRules } from '../../rules/pack.ts'
import { loadConfig } from '../config.ts'
import { EmbeddedHistorian } from '../historian/embedded.ts'
import { createLog } from '../log.ts'
import { loadKinds } from '../model/kinds.ts'
import type { History } from '../model/pipeline.ts'
import type { Reading } from '../model/reading.ts'
import { backTest } from './backtest.ts'
import { MANNING } from './crews.ts'
import { judgeHistory } from './judgement.ts'
import { withSources } from './sources.ts'
import { backTestInThreads } from './threads.ts'

const HOUR = 3_600_000
const START = Date.UTC(2024, 5, 1)
const END = START + 12 * HOUR
const DEVICES = 151
const never = new AbortController().signal

const dataDir = mkdtempSync(join(tmpdir(), 'gridwhistle-'))
const config = { ...loadConfig(undefined, {}), dataDir }
const request = { rules: loadRules(BUILT_IN_PACKS, loadKinds()), from: START, to: END, manning: MANNING }

/** Kitchens that are over the limit in turns, each for another hour; some end early. */
beforeAll(async () => {
  const historian = new EmbeddedHistorian('embedded', join(dataDir, 'history.db'), 1e13, createLog('silent'))
  await historian.start()
  for (let number = 0; number < DEVICES; number++) {
    const readings: Reading[] = []
    const last = END - (number % 7) * HOUR
    for (let ts = START; ts < last; ts += 60_000) {
      const isOver = Math.floor((ts - START) / HOUR) % DEVICES === number % 12
      readings.push({ ts, metrics: { fume: isOver ? 6.3 + (number % 3) : 0.8, fan: true, purifier: true } })
    }
    const place = { site: `site-${number % 20}`, street: 'wenfeng', grid: 'wenfeng-001' }
    const origin = { device: `fume-${number}`, kind: 'cooking_fume', ...place }
    await historian.write([{ seq: 0, origin, receivedAt: last, readings }])
  }
  await historian.stop()
})
afterAll(() => rmSync(dataDir, { recursive: true }))

describe('a back-test by several threads', () => {
  test('answers what one thread answers, however many there are', async () => {
    await withSources(config, END, async (sources) => {
      const alone = await backTest(request, sources)
      expect(alone).toMatchObject({ devices: DEVICES })
      expect(alone.alarms.length).toBeGreaterThan(30)
      expect(alone.cases.length).toBeGreaterThan(10)
      for (const threads of [1, 2, 3]) {
        const shares: number[] = []
        const tell = (share: number) => shares.push(share)
        const answer = await backTestInThreads(request, config, sources, threads, tell, never)
        expect(answer).toEqual(alone)
        expect(shares).toEqual(shares.toSorted((a, b) => a - b))
        expect(shares.every((share) => share >= 0 && share <= 1)).toBe(true)
      }
    })
  })

  test('takes devices that were asked for alone, on this thread when they are few', async () => {
    const few = { ...request, devices: ['fume-3', 'fume-4'] }
    await withSources(config, END, async (sources) => {
      const answer = await backTestInThreads(few, config, sources, 2, () => {}, never)
      expect(answer).toEqual(await backTest(few, sources))
      expect(answer.devices).toBe(2)
    })
  })

  test('counts a device as looked at when no rule can hold for it: it is no name that is mistyped', async () => {
    const rule = request.rules.find(({ id }) => id === 'device-flapping')!
    const asked = { ...request, rules: [rule], devices: ['fume-3', 'fume-none'] }
    await withSources(config, END, async (sources) => {
      for (const threads of [1, 2]) {
        const answer = await backTestInThreads(asked, config, sources, threads, () => {}, never)
        expect(answer).toMatchObject({ devices: 1, readings: 0, alarms: [] })
      }
    })
  })

  test('gives each device to one thread, also when one of them knows of a device more', async () => {
    await withSources(config, END, async (sources) => {
      const { history } = sources
      const judgedBy = async (first: number, unseen: readonly string[]) => {
        const judged = new Set<string>()
        const watched: History = {
          devices: async (kind) => [...unseen, ...(await history.devices(kind))],
          scan: (stretch) => history.scan(stretch),
          close: () => history.close(),
        }
        const note = (_: number, device: string) => judged.add(device)
        await judgeHistory(request, { ...sources, history: watched }, { first, of: 2 }, note)
        return judged
      }
      const [some, others] = [await judgedBy(0, []), await judgedBy(1, ['fume-000'])]
      expect([...some].filter((device) => others.has(device))).toEqual([])
      expect(new Set([...some, ...others]).size).toBeGreaterThanOrEqual(DEVICES)
    })
  })

  test('ends with the reason for which it is stopped', async () => {
    await withSources(config, END, async (sources) => {
      const stop = new AbortController()
      const answer = backTestInThreads(request, config, sources, 2, () => {}, stop.signal)
      setTimeout(() => stop.abort(new Error('stopped by SIGINT')), 50)
      await expect(answer).rejects.toThrow('stopped by SIGINT')
    })
  })

  test('fails with what a thread complains of', async () => {
    await withSources(config, END, async (sources) => {
      const elsewhere = { ...config, dataDir: join(dataDir, 'elsewhere') }
      const answer = backTestInThreads(request, elsewhere, sources, 2, () => {}, never)
      await expect(answer).rejects.toThrow('history.db is not there')
    })
  })
})
