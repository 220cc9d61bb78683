import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { ConfigError } from '../config.ts'
import { loadSectionSettings } from './section-settings.ts'

let folder: string
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'gridwhistle-sections-'))
})
afterAll(() => rmSync(folder, { recursive: true, force: true }))

function load(yaml: string) {
  const file = join(folder, 'sections.yaml')
  writeFileSync(file, yaml)
  return loadSectionSettings(file)
}

test('without a file, and with an empty one, the defaults hold', () => {
  const settings = loadSectionSettings()
  expect(settings).toMatchObject({
    target: 'III',
    factors: ['codmn', 'nh3n', 'tp'],
    load: { prices: { codmn: 15_000, nh3n: 100_000, tp: 100_000 }, rewards: {} },
    tiers: {
      steps: [{ upTo: 0.5, yuan: 500_000 }, { upTo: 1, yuan: 750_000 }, { yuan: 1_250_000 }],
      reward: 0,
    },
  })
  expect(load('')).toEqual(settings)
})

test('the README shows every key with its default', () => {
  const readme = readFileSync(new URL('README.md', import.meta.url), 'utf8')
  const shown = load(/```yaml\n([^`]+)```/.exec(readme)![1]!)
  expect(Object.keys(shown.sections)).toHaveLength(1)
  expect({ ...shown, sections: {} }).toEqual(loadSectionSettings())
})

test('a file changes what it names and leaves the rest', () => {
  const settings = load('tiers: { reward: 200000 }\nsections: { jiezhizha: { target: II, upstream: 上游 } }')
  expect(settings.tiers).toMatchObject({ reward: 200_000, steps: [{ upTo: 0.5 }, { upTo: 1 }, {}] })
  expect(settings.sections['jiezhizha']).toEqual({ target: 'II', upstream: '上游' })
})

describe('a mistake is one line that names the file, the key and what was expected', () => {
  test.each([
    ['target: VI', /sections\.yaml: target: "VI" must be equal to one of the allowed values \(\["I",/],
    ['tier: {}', /the file: must NOT have additional properties \("tier"\)/],
    ['factors: [do]', /factors\.0: "do" must be equal/],
    ['sections: { a: { targt: III } }', /sections\.a: must NOT have additional properties \("targt"\)/],
    ['sections: { "../a": {} }', /sections: must NOT have additional properties/],
    ['factors: [cod]', /load\.prices: cod is one of the factors and has no price/],
    ['tiers: { steps: [{ upTo: 1, yuan: 1 }] }', /tiers\.steps: the last one must have no upTo/],
    ['tiers: { steps: [{ upTo: 1, yuan: 1 }, { upTo: 1, yuan: 2 }, { yuan: 3 }] }', /upTo must rise/],
    ['tiers: { steps: [{ yuan: 1 }, { yuan: 3 }] }', /upTo must rise/],
    ['everyHours: { nh3n: 5 }', /everyHours\.nh3n: 5 must be equal/],
    ['load: { prices: { tp: .inf } }', /load\.prices\.tp/],
    ['[', /cannot be read/],
  ])('%s', (yaml, message) => {
    expect(() => load(yaml)).toThrow(ConfigError)
    expect(() => load(yaml)).toThrow(message)
  })

  test('a file that is not there', () => {
    expect(() => loadSectionSettings(join(folder, 'none.yaml'))).toThrow(/none\.yaml: cannot be read/)
  })
})
