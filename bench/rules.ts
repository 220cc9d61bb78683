/**
 * What judging costs: µs of CPU per live reading, next to `JSON.parse` of the same 200 bytes, and how it grows with
 * devices and with rules that do not concern the reading. `node bench/rules.ts`
 *
 * Each reading is made right before it is judged, as one that was just parsed; what making it costs is measured by
 * itself and taken off.
 */
import { cpus } from 'node:os'
import { loadKinds } from '../gateway/model/kinds.ts'
import type { MetricValue, Reading } from '../gateway/model/reading.ts'
import type { Rule } from '../gateway/model/rule.ts'
import { DeviceState, observe } from '../rules/engine.ts'
import { BUILT_IN_PACKS, loadRules } from '../rules/pack.ts'
import { planRules } from '../rules/plan.ts'

const BOUNDS = { latenessMs: 300_000, staleAfterMs: 3_600_000 }
/** How often a device reports. */
const EVERY_MS: Record<string, number> = { cooking_fume: 10_000, river_station: 60_000 }
const READINGS = 1_000_000
const START = Date.UTC(2024, 5, 1)

const kinds = loadKinds()
const world = { kinds, areas: new Map() }
const packs = loadRules(BUILT_IN_PACKS, kinds)

/** Values that stay below the limits, as most do: some 200 bytes as JSON. */
const SENT: Record<string, (noise: number) => Record<string, MetricValue>> = {
  cooking_fume: (noise) => ({
    fume: 0.4 + 1.1 * noise,
    pm: 2.1,
    nmhc: 3.2 + noise,
    fan: true,
    purifier: true,
    fan_current: 3.61,
    purifier_current: 1.92,
    temperature: 41.5,
  }),
  river_station: (noise) => ({
    ph: 7.4,
    do: 6.2 + noise,
    temperature: 18.4,
    conductivity: 612.1,
    turbidity: 17.2 + noise,
    codmn: 3.61,
    nh3n: 0.42 + noise / 10,
    tp: 0.112,
    tn: 2.31,
    cod: 14.1,
  }),
}

function readingAt(kind: string, ts: number, noise: number): Reading {
  return { ts, metrics: SENT[kind]!(noise) }
}

interface Load {
  readonly kind: string
  readonly devices: number
  readonly rules: readonly Rule[]
  readonly lateShare?: number
}

/** µs of CPU for each reading: with what `each` does with it. */
function cost(
  { kind, devices, lateShare = 0 }: Load,
  each: (device: number, reading: Reading) => void,
): number {
  let seed = 1
  let readings = 0
  let before = process.cpuUsage()
  let measured = 0
  for (let round = 0; readings < READINGS; round++) {
    // The first quarter warms up: code, windows and tails.
    if (measured === 0 && readings >= READINGS / 4) {
      before = process.cpuUsage()
      measured = readings
    }
    for (let device = 0; device < devices; device++) {
      seed = (seed * 48_271) % 2_147_483_647
      const noise = seed / 2_147_483_647
      const isLate = noise < lateShare
      each(
        device,
        readingAt(kind, START + round * EVERY_MS[kind]! - (isLate ? EVERY_MS[kind]! * 1.5 : 0), noise),
      )
    }
    readings += devices
  }
  const used = process.cpuUsage(before)
  return (used.user + used.system) / (readings - measured)
}

function judging(load: Load): number {
  const plan = planRules(load.rules, world).get(load.kind)!
  const states = Array.from(
    { length: load.devices },
    (_, index) => new DeviceState(`d-${index}`, plan, BOUNDS),
  )
  let made = 0
  const making = cost(load, (_, reading) => (made += reading.ts))
  const all = cost(load, (device, reading) => observe(states[device]!, [reading], reading.ts))
  return made > 0 ? all - making : 0
}

function parsing(kind: string): number {
  const texts = Array.from({ length: 1000 }, (_, index) =>
    JSON.stringify(readingAt(kind, START + index, index / 1000)),
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

/** Rules that concern another kind, or metrics that {@link SENT} does not carry. */
function idle(count: number): Rule[] {
  return Array.from({ length: count }, (_, index): Rule => {
    const [kind, metric] = index % 2 === 0 ? ['drone', 'battery'] : ['cooking_fume', 'humidity']
    const { title, basis } = packs[0]!
    const severity = { red: { metric, mean: `${(index % 60) + 1}m`, above: 99 } }
    return { id: `idle-${index}`, version: 1, kind, title, basis, severity }
  })
}

const lines: string[] = [`${cpus()[0]?.model ?? 'unknown CPU'}, Node ${process.version}`]
const say = (what: string, micros: number, ratio = ''): void => {
  lines.push(`${what.padEnd(48)} ${micros.toFixed(2)} µs  ${ratio}`)
}
const times = (micros: number, of: number): string => `${(micros / of).toFixed(2)} ×`

for (const kind of Object.keys(SENT)) {
  const parse = parsing(kind)
  say(`${kind}: JSON.parse of the reading`, parse)
  const few = judging({ kind, devices: 200, rules: packs })
  say(`${kind}: built-in packs`, few, `${times(few, parse)} JSON.parse (2 × at most)`)
  const many = judging({ kind, devices: 20_000, rules: packs })
  say(`${kind}: 20,000 devices instead of 200`, many, `${times(many, few)} (1.2 × at most)`)
  const late = judging({ kind, devices: 200, rules: packs, lateShare: 0.01 })
  say(`${kind}: 1 % late`, late, times(late, few))
}
const fume = packs.filter(({ kind }) => kind === 'cooking_fume')
const twenty = judging({ kind: 'cooking_fume', devices: 200, rules: [...fume, ...idle(20 - fume.length)] })
const most = judging({ kind: 'cooking_fume', devices: 200, rules: [...fume, ...idle(500 - fume.length)] })
say('20 rules', twenty)
say('500 rules of which the same number applies', most, `${times(most, twenty)} (1.2 × at most)`)
process.stdout.write(`${lines.join('\n')}\n`)
