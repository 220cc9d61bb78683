import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { loadKinds } from '../../gateway/model/kinds.ts'
import { loadProfiles, metricsOf } from './profile.ts'

let folder: string
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'gw-profiles-'))
})
afterAll(() => rmSync(folder, { recursive: true }))

test('every metric of the built-in profiles is one of a built-in kind', () => {
  const known = new Set([...loadKinds().values()].flatMap(({ metrics }) => Object.keys(metrics)))
  const profiles = loadProfiles()
  expect([...profiles.keys()]).toEqual(
    expect.arrayContaining(['standard', 'water', 'fume-process', 'fume-a01', 'fume-names', 'fume-platform']),
  )
  for (const [name, profile] of profiles)
    for (const metric of metricsOf(profile))
      expect([name, metric, known.has(metric)]).toEqual([name, metric, true])
})

test.each([
  ['title: { en: a, zh: b }', /\.yaml: profile must have required property 'factors'/],
  ['title: { en: a, zh: b }\nfactors: { "a-b": { metric: fume } }', /must NOT have additional properties/],
  ['title: { en: a, zh: b }\nfactors: { a: { metric: fume, scale: 0 } }', /factors\/a\/scale must be > 0/],
])('a profile that is wrong is named with its key: %s', (text, message) => {
  writeFileSync(join(folder, 'wrong.yaml'), text)
  expect(() => loadProfiles(folder)).toThrow(message)
})
