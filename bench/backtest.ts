/**
 * What a back-test costs: the built-in packs over a stored history, next to reading the same history and doing
 * nothing with it, and the most memory that it took. Embedded historian, each measurement in a process of its own.
 * `node bench/backtest.ts [--kind cooking_fume] [--devices 50] [--days 7] [--every 60]` (seconds) `[--threads 2]`
 */
import { execFileSync } from 'node:child_process'
import { mkdtempSync, rmSync, statSync } from 'node:fs'
import { cpus, tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { MANNING } from '../gateway/backtest/crews.ts'
import { withSources } from '../gateway/backtest/sources.ts'
import { backTestInThreads, THREADS } from '../gateway/backtest/threads.ts'
import { loadConfig } from '../gateway/config.ts'
import { EmbeddedHistorian } from '../gateway/historian/embedded.ts'
import { openHistory } from '../gateway/historian/history.ts'
import { createLog } from '../gateway/log.ts'
import { loadKinds } from '../gateway/model/kinds.ts'
import type { Delivery, Origin, Reading } from '../gateway/model/reading.ts'
import { BUILT_IN_PACKS, loadRules } from '../rules/pack.ts'

const DAY = 86_400_000
const START = Date.UTC(2025, 0, 1)
const { values } = parseArgs({
  options: {
    kind: { type: 'string', default: 'cooking_fume' },
    devices: { type: 'string', default: '50' },
    days: { type: 'string', default: '7' },
    every: { type: 'string', default: '60' },
    threads: { type: 'string', default: String(THREADS) },
    /** What this process is to do, where. */
    step: { type: 'string' },
    dir: { type: 'string' },
  },
})
const devices = Number(values.devices)
const end = START + Number(values.days) * DAY
const everyMs = Number(values.every) * 1000

function metricsAt(ts: number, noise: number): Reading['metrics'] {
  // A working day has its hours, and some days are worse than others.
  const day = ((Math.floor(ts / DAY) * 7919) % 100) / 100
  const wave = day * Math.sin((ts / DAY) * 4 * Math.PI)
  if (values.kind === 'water_level')
    return { level: 2.4 + 0.7 * wave + noise / 20, rainfall: noise > 0.9 ? 4 : 0 }
  return {
    fume: 0.9 + 0.6 * wave + noise / 2,
    pm: 2.1,
    nmhc: 3.2 + noise,
    fan: true,
    purifier: noise < 0.999,
    fan_current: 3.61,
    purifier_current: 1.92,
    temperature: 41.5,
    humidity: 66.1,
  }
}

async function make(dir: string): Promise<void> {
  const store = new EmbeddedHistorian('embedded', join(dir, 'history.db'), 10_000 * DAY, createLog('silent'))
  await store.start()
  let seed = 1
  for (let number = 0; number < devices; number++) {
    const place = { site: `site-${number}`, street: 'wenfeng', grid: 'wenfeng-001' }
    const origin: Origin = { device: `d-${number}`, kind: values.kind, ...place }
    let readings: Reading[] = []
    const write = async () => {
      await store.write([{ seq: 0, origin, receivedAt: 0, readings } satisfies Delivery])
      readings = []
    }
    for (let ts = START; ts < end; ts += everyMs) {
      seed = (seed * 48_271) % 2_147_483_647
      readings.push({ ts, metrics: metricsAt(ts, seed / 2_147_483_647) })
      if (readings.length === 20_000) await write()
    }
    await write()
  }
  await store.stop()
}

interface Measured {
  /** Until it was done. */
  readonly seconds: number
  /** Of CPU, seconds: others use the machine too. */
  readonly cpu: number
  readonly readings: number
  readonly alarms?: number
  /** Most memory that the process ever had, MB. */
  readonly peak: number
}

async function read(dir: string): Promise<Omit<Measured, 'seconds' | 'cpu' | 'peak'>> {
  const history = openHistory(loadConfig(undefined, {}).historian, dir)
  let readings = 0
  for (const device of await history.devices(values.kind)) {
    const stretch = { device, kind: values.kind, from: START - DAY, to: end }
    for await (const chunk of history.scan(stretch)) readings += chunk.length
  }
  history.close()
  return { readings }
}

async function judge(dir: string): Promise<Omit<Measured, 'seconds' | 'cpu' | 'peak'>> {
  const config = { ...loadConfig(undefined, {}), dataDir: dir }
  const request = { rules, from: START, to: end, manning: MANNING }
  const never = new AbortController().signal
  const { readings, alarms } = await withSources(config, end, (sources) =>
    backTestInThreads(request, config, sources, Number(values.threads), () => {}, never),
  )
  return { readings, alarms: alarms.length }
}

function inItsOwnProcess(step: string, dir: string): string {
  const args = ['kind', 'devices', 'days', 'every', 'threads'].flatMap((name) => [
    `--${name}`,
    String(values[name as keyof typeof values]),
  ])
  return execFileSync(process.execPath, [import.meta.filename, ...args, '--step', step, '--dir', dir], {
    encoding: 'utf8',
  })
}

function compare(): void {
  const dir = mkdtempSync(join(tmpdir(), 'gridwhistle-bench-'))
  try {
    inItsOwnProcess('make', dir)
    const size = statSync(join(dir, 'history.db')).size / 1e6
    console.log(`${cpus()[0]!.model}, Node ${process.version}`)
    console.log(
      `${devices} × ${values.kind}, ${values.days} days, every ${values.every} s: ${size.toFixed(0)} MB`,
    )
    // Each twice, by turns: the second time both find the file in the same cache.
    const runs = ['read', 'judge', 'read', 'judge'].map((step) => {
      const measured = JSON.parse(inItsOwnProcess(step, dir)) as Measured
      const { seconds, cpu, readings, peak, alarms } = measured
      const rate = (readings / seconds / 1000).toFixed(0)
      const found = alarms === undefined ? '' : `, ${alarms} alarms`
      console.log(
        `${step}: ${seconds.toFixed(2)} s, ${cpu.toFixed(2)} s of CPU, ${readings} readings (${rate}k/s), peak ${peak} MB${found}`,
      )
      return measured
    })
    const ratio = (what: 'seconds' | 'cpu') => (runs[3]![what] / runs[2]![what]).toFixed(2)
    console.log(`judge / read: ${ratio('seconds')}, of CPU ${ratio('cpu')}`)
  } finally {
    rmSync(dir, { recursive: true })
  }
}

async function measure(work: () => Promise<Omit<Measured, 'seconds' | 'cpu' | 'peak'>>): Promise<void> {
  const before = process.cpuUsage()
  const began = performance.now()
  const found = await work()
  const seconds = (performance.now() - began) / 1000
  const { user, system } = process.cpuUsage(before)
  const cpu = (user + system) / 1e6
  const peak = Math.round(process.resourceUsage().maxRSS / 1000)
  console.log(JSON.stringify({ ...found, seconds, cpu, peak } satisfies Measured))
}

const rules = loadRules(BUILT_IN_PACKS, loadKinds())
const dir = values.dir ?? ''
if (values.step === 'make') await make(dir)
else if (values.step === 'read') await measure(() => read(dir))
else if (values.step === 'judge') await measure(() => judge(dir))
else compare()
