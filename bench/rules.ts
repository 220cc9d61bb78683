/**
 * What judging costs: µs of CPU per live reading, next to `JSON.parse` of the same 200 bytes, and how it grows with
 * devices and with rules that do not concern the reading. `node bench/rules.ts`
 *
 * Each reading is made right before it is judged, as one that was just parsed; what making it costs is measured by
 * itself and taken off. On a machine that has other work to do two figures are only comparable when they are taken at
 * the same time: all works take turns, a slice of 20,000 readings each, and what is printed is the median (and the
 * quartiles) of the ratios of slices that followed each other. Each part is a process of its own, so that none pays for
 * what another has left behind; `node bench/rules.ts cooking_fume` is that part alone.
 */
import { spawnSync } from 'node:child_process'
import { cpus } from 'node:os'
import { fileURLToPath } from 'node:url'
import { loadKinds } from '../gateway/model/kinds.ts'
import type { MetricValue, Reading } from '../gateway/model/reading.ts'
import type { Rule } from '../gateway/model/rule.ts'
import { DeviceState } from '../rules/device-state.ts'
import { observe } from '../rules/engine.ts'
import { BUILT_IN_PACKS, loadRules } from '../rules/pack.ts'
import { planRules } from '../rules/plan.ts'
import { MANY_DEVICES, prefetch } from '../rules/prefetch.ts'

const BOUNDS = { latenessMs: 300_000, staleAfterMs: 3_600_000 }
/** How often a device reports. */
const EVERY_MS: Record<string, number> = { cooking_fume: 10_000, river_station: 60_000 }
/** Slices of each work that are measured, and before that. */
const ROUNDS = 40
const WARM_UP = 80
const START = Date.UTC(2024, 5, 1)
/** Readings that are judged together, as the judge takes them from the queue. */
const TOGETHER = 32
/** Readings of each device before anything is measured: an hour of kitchens, five of rivers, are in a window. */
const SETTLED_ROUNDS = 600

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

/** Does a slice of work; answers how many readings it was. */
type Work = () => number

const SLICE_READINGS = 20_000
/** Devices join one after the other, so that whatever each does now and then is spread over all slices. */
const JOINING_ROUNDS = 64

/** Readings of all devices in turn, as they are made right before `each` does something with them. */
function sending(
  { kind, devices, lateShare = 0 }: Load,
  each: (device: number, reading: Reading) => void,
): Work {
  const every = EVERY_MS[kind]!
  let seed = 1
  let round = 0
  let device = 0
  return () => {
    for (let made = 0; made < SLICE_READINGS; device++) {
      if (device === devices) {
        device = 0
        round++
      }
      if (device % JOINING_ROUNDS > round) continue
      seed = (seed * 48_271) % 2_147_483_647
      const noise = seed / 2_147_483_647
      const late = noise < lateShare ? every * 1.5 : 0
      each(device, readingAt(kind, START + round * every - late, noise))
      made++
    }
    return SLICE_READINGS
  }
}

function making(kind: string): Work {
  return sending({ kind, devices: 200, rules: [] }, (_, reading) => (sink += reading.ts))
}

function judging(load: Load): Work {
  const plan = planRules(load.rules, world).get(load.kind)!
  const states = Array.from(
    { length: load.devices },
    (_, index) => new DeviceState(`d-${index}`, plan, BOUNDS),
  )
  const next: { readonly state: DeviceState; readonly reading: Reading }[] = []
  const work = sending(load, (device, reading) => {
    next.push({ state: states[device]!, reading })
    if (next.length < TOGETHER) return
    if (load.devices >= MANY_DEVICES) prefetch(next.map(({ state }) => state))
    for (const { state, reading } of next) sink += observe(state, [reading], reading.ts).length
    next.length = 0
  })
  // Windows are full, and nothing grows any more.
  for (let judged = 0; judged < load.devices * SETTLED_ROUNDS;) judged += work()
  return work
}

function parsing(kind: string): Work {
  const texts = Array.from({ length: 1000 }, (_, index) =>
    JSON.stringify(readingAt(kind, START + index, index / 1000)),
  )
  return () => {
    for (let round = 0; round < SLICE_READINGS / texts.length; round++) {
      for (const text of texts) sink += (JSON.parse(text) as Reading).ts
    }
    return SLICE_READINGS
  }
}

/** So that nothing is optimised away. */
let sink = 0

/** µs of CPU (of all threads: the collector's too) for a reading, slice by slice. */
function measure(works: Record<string, Work>): Record<string, number[]> {
  const micros = Object.fromEntries(Object.keys(works).map((name) => [name, [] as number[]]))
  for (let round = -WARM_UP; round < ROUNDS; round++) {
    for (const [name, work] of Object.entries(works)) {
      const before = process.cpuUsage()
      const readings = work()
      const used = process.cpuUsage(before)
      if (round >= 0) micros[name]!.push((used.user + used.system) / readings)
    }
  }
  return micros
}

function quartiles(values: readonly number[]): [number, number, number] {
  const sorted = values.toSorted((a, b) => a - b)
  const at = (part: number) => sorted[Math.floor(part * (sorted.length - 1))]!
  return [at(0.25), at(0.5), at(0.75)]
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

/** What judging took in each slice, without what making the readings took in the same round. */
function without(judged: readonly number[], made: readonly number[]): number[] {
  return judged.map((micros, round) => micros - made[round]!)
}

function say(what: string, micros: readonly number[], than?: readonly number[], note = ''): void {
  const [, middle] = quartiles(micros)
  const [low, ratio, high] = quartiles(micros.map((one, round) => one / (than?.[round] ?? one)))
  const times =
    than === undefined
      ? ''
      : `${ratio.toFixed(2)} × (${low.toFixed(2)} to ${high.toFixed(2)})${note && `, ${note}`}`
  process.stdout.write(`${what.padEnd(44)} ${middle.toFixed(2)} µs  ${times}\n`)
}

function compareKinds(kind: string): void {
  const load = { kind, devices: 200, rules: packs }
  const { parse, make, few } = measure({ parse: parsing(kind), make: making(kind), few: judging(load) })
  say(`${kind}: JSON.parse of the reading`, parse!)
  say(`${kind}: built-in packs`, without(few!, make!), parse, 'of JSON.parse; 2 × at most')
  const more = measure({
    make: making(kind),
    few: judging(load),
    some: judging({ ...load, devices: 1000 }),
    many: judging({ ...load, devices: 20_000 }),
    late: judging({ ...load, lateShare: 0.01 }),
  })
  const plain = without(more['few']!, more['make']!)
  say(`${kind}: the same beside the next three`, plain)
  say(`${kind}: 1,000 devices instead of 200`, without(more['some']!, more['make']!), plain)
  const many = without(more['many']!, more['make']!)
  say(`${kind}: 20,000 devices instead of 200`, many, plain, '1.2 × at most')
  say(`${kind}: 1 % late`, without(more['late']!, more['make']!), plain)
}

function compareRules(): void {
  const fume = packs.filter(({ kind }) => kind === 'cooking_fume')
  const load = (rules: number): Work =>
    judging({ kind: 'cooking_fume', devices: 200, rules: [...fume, ...idle(rules - fume.length)] })
  const { make, twenty, most } = measure({ make: making('cooking_fume'), twenty: load(20), most: load(500) })
  const [few, many] = [without(twenty!, make!), without(most!, make!)]
  say('20 rules', few)
  say('500 rules of which the same number applies', many, few, '1.2 × at most')
}

const PARTS = [...Object.keys(SENT), 'rules']
const [only] = process.argv.slice(2)
if (only === undefined) {
  process.stdout.write(`${cpus()[0]?.model ?? 'unknown CPU'}, Node ${process.version}\n`)
  for (const part of PARTS) {
    spawnSync(process.execPath, [fileURLToPath(import.meta.url), part], { stdio: 'inherit' })
  }
} else if (only === 'rules') compareRules()
else compareKinds(only)
if (Number.isNaN(sink)) process.stdout.write('nothing was judged\n')
