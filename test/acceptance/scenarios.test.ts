/** The built-in scenarios: what they expect is what the packs can say, and one of them played to a real gateway. */
import { globSync, readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { describe, expect, test } from 'vitest'
import { parse } from 'yaml'
import { builtInScenarios, scenarioFile } from '../../simulators/built-in.ts'
import { SIMULATED_KINDS } from '../../simulators/kinds.ts'
import { readScenario } from '../../simulators/scenario.ts'
import { truthOf } from '../../simulators/truth.ts'
import { gridwhistle } from '../command.ts'

const packs = fileURLToPath(new URL('../../rules/packs/', import.meta.url))
const rules = new Set(
  globSync('*.yaml', { cwd: packs }).flatMap((file) =>
    (parse(readFileSync(packs + file, 'utf8')) as { rules: { id: string }[] }).rules.map(({ id }) => id),
  ),
)
const scenarios = builtInScenarios().map((name) => readScenario(scenarioFile(name)))

describe.each(scenarios)('$id', (scenario) => {
  test('expects alarms only of rules that the packs have, of devices of the kind', () => {
    for (const { expected } of truthOf(scenario, 0)) {
      for (const { rule, device, from, by, until } of expected) {
        expect(rules, `${rule} of ${device}`).toContain(rule)
        expect(from).toBeLessThanOrEqual(by)
        expect(by).toBeLessThanOrEqual(until)
      }
    }
  })
})

test('together they play with every kind of device', () => {
  const kinds = new Set(scenarios.flatMap(({ devices }) => devices.map(({ kind }) => kind)))
  expect([...kinds].sort()).toEqual([...SIMULATED_KINDS].sort())
})

test('a scenario played to a gateway of its own finds what it should and nothing else', async () => {
  const { code, out } = await gridwhistle(['simulate', 'hazmat-detour', '--own-gateway', '--score', '--json'])
  expect(code).toBe(0)
  expect(JSON.parse(out)).toMatchObject({
    scenario: 'hazmat-detour',
    score: { expected: 4, found: 4, recall: 1, precision: 1, missed: [], false: [] },
  })
}, 120_000)
