/**
 * The built-in packs over real recordings: what they raise is compared with lists beside this file, each alarm of which was
 * held against the curve and says why it is there. Times are the recording's, UTC.
 */
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { describe, expect, test } from 'vitest'
import { loadKinds } from '../../gateway/model/kinds.ts'
import type { Rule } from '../../gateway/model/rule.ts'
import { mapFile } from '../../simulators/built-in.ts'
import { readRecordingMap } from '../../simulators/recording-map.ts'
import { RowRecording } from '../../simulators/recording-rows.ts'
import { checkRules } from '../../rules/check.ts'
import { DeviceState, type Finding } from '../../rules/device-state.ts'
import { advance, observe, refresh } from '../../rules/engine.ts'
import type { Attributes } from '../../rules/local.ts'
import { BUILT_IN_PACKS, loadRules } from '../../rules/pack.ts'
import { planRules } from '../../rules/plan.ts'
import { parseRuleText } from '../../rules/rule-text.ts'

const material = fileURLToPath(new URL('../../../shared/material/', import.meta.url))
const lists = fileURLToPath(new URL('.', import.meta.url))
if (!existsSync(material))
  console.warn(`${material} is absent: the packs are not held against its recordings`)

const BOUNDS = { latenessMs: 5 * 60_000, staleAfterMs: 60 * 60_000 }
/** Alarms still open at the end are given this long to end. */
const AFTERWARDS_MS = 60_000
const kinds = loadKinds()
const packs = loadRules(BUILT_IN_PACKS, kinds)

interface Listed {
  readonly device: string
  readonly rule: string
  readonly severity: string
  readonly from: string
  readonly to: string | null
  readonly peak: number | null
  readonly why: string
}

const listOf = (name: string) => JSON.parse(readFileSync(join(lists, `${name}.json`), 'utf8')) as Listed[]

/** The alarms of a recording's devices, as if each reading had come at once. */
async function judged(
  file: string,
  map: string,
  rules: readonly Rule[],
  attributes: Attributes = {},
): Promise<Omit<Listed, 'why'>[]> {
  const recording = new RowRecording(
    join(material, file),
    file.endsWith('.json') ? 'json' : 'csv',
    readRecordingMap(mapFile(map)),
  )
  const plans = planRules(rules, { kinds, areas: new Map() })
  const states = new Map<string, DeviceState>()
  for (const { id, kind } of recording.devices()) {
    states.set(id, new DeviceState(id, plans.get(kind)!, BOUNDS, attributes))
  }
  const book = new Map<string, Finding & { device: string }>()
  const note = (device: string, found: readonly Finding[]) => {
    for (const finding of found) book.set(finding.id, { ...finding, device })
  }
  let last = 0
  for await (const { ts, said } of recording.rows()) {
    last = ts ?? last
    for (const { device, what } of said) note(device, observe(states.get(device)!, [what], what.ts))
  }
  for (const [device, state] of states) {
    note(device, advance(state, last + AFTERWARDS_MS))
    note(device, refresh(state))
  }
  const written = (time: number) => new Date(time).toISOString().replace(':00.000Z', 'Z')
  return [...book.values()]
    .filter(({ state }) => state !== 'withdrawn')
    .sort((a, b) => a.startedAt - b.startedAt || (a.rule.id < b.rule.id ? -1 : 1))
    .map(({ device, rule, severity, startedAt, clearedAt, peak }) => ({
      device,
      rule: rule.id,
      severity,
      from: written(startedAt),
      to: clearedAt === null ? null : written(clearedAt),
      peak,
    }))
}

function withoutWhy(list: readonly Listed[]): Omit<Listed, 'why'>[] {
  return list.map(({ device, rule, severity, from, to, peak }) => ({
    device,
    rule,
    severity,
    from,
    to,
    peak,
  }))
}

describe.skipIf(!existsSync(material))('the packs over real recordings (need ../shared/material)', () => {
  test('each flood of Dead Run alarms once and clears', async () => {
    const alarms = await judged('usgs-01589330-dead-run-5min-2018-06.csv', 'usgs-01589330', packs, {
      warning_level: 1,
      guarantee_level: 1.5,
    })
    expect(alarms).toEqual(withoutWhy(listOf('dead-run')))
    const floods = alarms.filter(({ rule }) => rule === 'water-level-high')
    expect(floods.map(({ severity, to }) => [severity, to !== null])).toEqual([
      ['yellow', true],
      ['red', true],
      ['red', true],
    ])
  })

  test('a false 1,000 m is a matter of the device, and its clean twin is silent', async () => {
    const attributes = { warning_level: 1.5, guarantee_level: 2 }
    const spike = await judged('defra-spikeTelem.json', 'defra-river-level', packs, attributes)
    const clean = await judged('defra-nonSpikeTelem.json', 'defra-river-level', packs, attributes)
    const device = ({ rule }: { rule: string }) => rule === 'water-level-implausible'
    expect(spike.filter(device)).toEqual([
      expect.objectContaining({ from: '2020-10-13T16:00Z', severity: 'yellow', peak: 1000 }),
    ])
    expect(spike.filter((alarm) => !device(alarm))).toEqual(clean)
    expect(clean).toEqual([])
  })

  test('the failures of the machine are found, and nothing else is', async () => {
    const { failures, rule } = JSON.parse(readFileSync(join(lists, 'machine.json'), 'utf8')) as {
      failures: [string, string][]
      rule: string
    }
    const text = parseRuleText(rule)
    if ('mistake' in text) throw new Error(text.mistake)
    const { rules, problems } = checkRules([{ file: 'machine.json', content: text.content }], kinds)
    expect(problems).toEqual([])
    const alarms = await judged(
      'nab-machine_temperature_system_failure.csv',
      'nab-machine-temperature',
      rules,
    )
    expect(
      alarms.map(({ from }) => failures.findIndex(([begin, end]) => begin <= from && from <= end)),
    ).toEqual(failures.map((_, index) => index))
  })

  test('a month of Plumtree Run raises what its curve explains', async () => {
    const alarms = await judged('usgs-01581752-plumtree-run-5min-2018-05.csv', 'usgs-01581752', packs, {
      warning_level: 0.75,
      guarantee_level: 1,
      target: 'III',
    })
    expect(alarms).toEqual(withoutWhy(listOf('plumtree-run')))
  })
})
