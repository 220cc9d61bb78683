/**
 * What judging costs: µs of CPU per reading with the built-in cooking fume pack, for 200 and 20,000 devices, in
 * order, with 1 % late, and with rules of other kinds beside; next to `JSON.parse` of the same reading.
 * `node bench/rules.ts`
 */
import { loadKinds } from '../gateway/model/kinds.ts'
import type { Reading } from '../gateway/model/reading.ts'
import type { Rule } from '../gateway/model/rule.ts'
import { DeviceState, observe } from '../rules/engine.ts'
import { BUILT_IN_PACKS, loadRules } from '../rules/pack.ts'
import { planRules } from '../rules/plan.ts'

const BOUNDS = { latenessMs: 300_000, staleAfterMs: 3_600_000 }
const EVERY_MS = 10_000
const READINGS = 2_000_000
const START = Date.UTC(2024, 5, 1)

const rules = loadRules(BUILT_IN_PACKS, loadKinds())
const elsewhere = Array.from({ length: 480 }, (_, index): Rule => ({
  ...rules[0]!,
  id: `r-${index}`,
  kind: 'drone',
}))
/** Two ten-minute means in the pack's place: as heavy as the built-in rules get. */
const twoMeans: Rule = {
  ...rules[0]!,
  id: 'nmhc-over-limit',
  kind: 'cooking_fume',
  severity: { yellow: { metric: 'nmhc', mean: '10m', above: 10 } },
}

function readingAt(ts: number, noise: number): Reading {
  const metrics = {
    fume: 0.4 + 1.4 * noise,
    pm: 2.1,
    nmhc: 3.2 + noise,
    fan: true,
    purifier: noise < 0.999,
    fan_current: 3.61,
    purifier_current: 1.92,
    temperature: 41.5,
    humidity: 66.1,
  }
  return { ts, metrics }
}

function microsecondsPerReading(devices: number, lateShare: number, ruleSet: readonly Rule[]): number {
  const plan = planRules(ruleSet).get('cooking_fume')!
  const states = Array.from({ length: devices }, (_, index) => new DeviceState(`d-${index}`, plan, BOUNDS))
  let seed = 1
  let spent = 0
  let readings = 0
  for (let round = 0; readings < READINGS; round++) {
    const batch = states.map(() => {
      seed = (seed * 48_271) % 2_147_483_647
      const noise = seed / 2_147_483_647
      const ts = START + round * EVERY_MS - (noise < lateShare ? 45_001 : 0)
      return [readingAt(ts, noise)]
    })
    const before = process.cpuUsage()
    for (const [index, state] of states.entries()) observe(state, batch[index]!, START + round * EVERY_MS)
    const used = process.cpuUsage(before)
    // The first quarter warms up: code, windows and tails.
    if (readings >= READINGS / 4) spent += used.user + used.system
    readings += devices
  }
  return spent / (readings * 0.75)
}

function microsecondsToParse(): number {
  const texts = Array.from({ length: 1000 }, (_, index) =>
    JSON.stringify(readingAt(START + index, index / 1000)),
  )
  let length = 0
  for (const text of texts) length += (JSON.parse(text) as Reading).ts
  const before = process.cpuUsage()
  for (let round = 0; round < READINGS / 1000; round++) {
    for (const text of texts) length += (JSON.parse(text) as Reading).ts
  }
  const used = process.cpuUsage(before)
  return length > 0 ? (used.user + used.system) / READINGS : 0
}

const fume = rules.filter(({ kind }) => kind === 'cooking_fume')
const rows: [string, number][] = [
  ['JSON.parse of the reading', microsecondsToParse()],
  ['200 devices, built-in fume pack', microsecondsPerReading(200, 0, rules)],
  ['200 devices, and a second mean', microsecondsPerReading(200, 0, [...fume, twoMeans])],
  ['20,000 devices', microsecondsPerReading(20_000, 0, rules)],
  ['200 devices, 480 rules of another kind', microsecondsPerReading(200, 0, [...rules, ...elsewhere])],
  ['200 devices, 1 % late', microsecondsPerReading(200, 0.01, rules)],
]
for (const [what, cost] of rows) process.stdout.write(`${what.padEnd(42)} ${cost.toFixed(2)} µs\n`)
