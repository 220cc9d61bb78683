import { globSync, readFileSync } from 'node:fs'
import { stripTypeScriptTypes } from 'node:module'
import { fileURLToPath } from 'node:url'
import { expect, test } from 'vitest'

const ROOT = fileURLToPath(new URL('..', import.meta.url))
const FOLDERS = ['adapters', 'bench', 'cli', 'dashboards', 'gateway', 'rules', 'simulators', 'test']

test('Node itself can run every file: its parser knows less than those of tsc, of the linter and of these tests', () => {
  const faults = globSync(`{${FOLDERS.join(',')}}/**/*.ts`, { cwd: ROOT })
    .filter((file) => !file.includes('node_modules'))
    .flatMap((file) => {
      try {
        stripTypeScriptTypes(readFileSync(`${ROOT}/${file}`, 'utf8'))
        return []
      } catch (error) {
        return [`${file}: ${(error as Error).message}`]
      }
    })
  expect(faults).toEqual([])
})
