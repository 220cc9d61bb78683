import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, expect, test } from 'vitest'
import { KindError, loadKinds } from './kinds.ts'

const folders: string[] = []
afterEach(() => {
  for (const folder of folders.splice(0)) rmSync(folder, { recursive: true })
})

function folderWith(files: Record<string, string>): string {
  const folder = mkdtempSync(join(tmpdir(), 'gw-kinds-'))
  folders.push(folder)
  for (const [name, text] of Object.entries(files)) writeFileSync(join(folder, name), text)
  return folder
}

const CONTRACT: Record<string, string> = {
  cooking_fume:
    'fume mg/m³, pm mg/m³, nmhc mg/m³, fan b, purifier b, fan_current A, purifier_current A, temperature °C, humidity %',
  river_station:
    'ph, do mg/L, temperature °C, conductivity µS/cm, turbidity NTU, codmn mg/L, nh3n mg/L, tp mg/L, tn mg/L, cod mg/L, bod5 mg/L, flow m³/s',
  survey_boat:
    'ph, do mg/L, temperature °C, conductivity µS/cm, turbidity NTU, codmn mg/L, nh3n mg/L, tp mg/L, tn mg/L, cod mg/L, bod5 mg/L, flow m³/s',
  water_level: 'level m, rainfall mm/h',
  drone:
    'speed m/s, heading °, height m, battery %, wind_speed m/s, fume mg/m³, pm25 µg/m³, nmhc mg/m³, thermal_max °C',
  eco_camera: 'thermal_max °C, person, vessel, fishing, dumping, smoke, fire',
  crowd_counter: 'people, density people/m², inflow people/min, outflow people/min',
  gas_detector: 'lel %, co ppm, h2s ppm',
  hazmat_vehicle: 'speed km/h, pressure MPa, valve_open b',
  loudspeaker: 'playing b',
}
/** Beyond the contract. */
const MORE = { district_state: 'storm b' }

test('the built-in kinds are those of contract §2, metric by metric and unit by unit', () => {
  const written = Object.fromEntries(
    [...loadKinds()].map(([id, kind]) => [
      id,
      Object.entries(kind.metrics)
        .map(([name, { type, unit }]) => `${name} ${type === 'boolean' ? 'b' : unit}`.trim())
        .join(', '),
    ]),
  )
  expect(written).toEqual({ ...CONTRACT, ...MORE })
})

test('drones, survey boats and hazardous goods vehicles move; nothing else does', () => {
  const moving = [...loadKinds().values()].filter((kind) => kind.moving).map((kind) => kind.id)
  expect(moving).toEqual(['drone', 'hazmat_vehicle', 'survey_boat'])
})

test('every number has a range, wide enough for a value that is only alarming', () => {
  for (const kind of loadKinds().values()) {
    for (const [name, metric] of Object.entries(kind.metrics)) {
      if (metric.type === 'number') expect(metric.maximum, `${kind.id}.${name}`).toBeGreaterThanOrEqual(14)
    }
  }
  expect(loadKinds().get('water_level')!.metrics['level']!.maximum).toBeGreaterThan(1000)
})

const head = 'id: probe\ntitle: { en: Probe, zh: 探头 }\n'
const metric = (name: string, text: string) =>
  `${head}metrics:\n  ${name}: { unit: m, title: { en: E, zh: 中 }, ${text} }\n`

test.each([
  ['an unknown key', `${head}colour: red\n`, /probe\.yaml: (colour: unknown key|metrics: missing)/],
  ['a missing title', 'id: probe\nmetrics: {}\n', /title: missing/],
  ['no metric', `${head}metrics: {}\n`, /metrics: {} is not valid/],
  ['a wrong type', metric('level', 'type: text'), /metrics\.level\.type: "text".*number or boolean/],
  [
    'an upper-case metric',
    metric('Level', 'type: number'),
    /metrics\.Level: unknown key; expected a lower-case/,
  ],
  ['a metric named like a column', metric('lon', 'type: number'), /metrics\.lon: the name is taken/],
  [
    'a metric named like a flag',
    metric('fume_flag', 'type: number'),
    /metrics\.fume_flag: the name is taken/,
  ],
  ['a metric named constructor', metric('constructor', 'type: number'), /metrics\.constructor: .*taken/],
  ['a turned range', metric('level', 'type: number, minimum: 2, maximum: 1'), /minimum 2 is above maximum 1/],
  ['a boolean with a range', metric('open', 'type: boolean, maximum: 1'), /a boolean has no minimum/],
  ['another id than its file', metric('level', 'type: number').replace('id: probe', 'id: other'), /"other"/],
  ['the id of the alarms', metric('level', 'type: number').replace('id: probe', 'id: alarm'), /taken/],
  ['broken YAML', 'id: [', /probe\.yaml: /],
])('a kind file with %s is refused, naming the file and the place', (_, text, message) => {
  const folder = folderWith({ 'probe.yaml': text })
  expect(() => loadKinds(folder)).toThrow(KindError)
  expect(() => loadKinds(folder)).toThrow(message)
})

test('a folder that is missing or empty is refused', () => {
  expect(() => loadKinds('/nowhere/kinds')).toThrow(/cannot be read/)
  expect(() => loadKinds(folderWith({}))).toThrow(/holds no kind/)
})

test('a new kind is a file, not code', () => {
  expect(
    loadKinds(folderWith({ 'probe.yaml': metric('level', 'type: number') })).get('probe')?.metrics,
  ).toEqual({
    level: { unit: 'm', title: { en: 'E', zh: '中' }, type: 'number' },
  })
})
