import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, expect, test, vi } from 'vitest'
import { smallDistrict } from '../gateway/people/people.fixture.ts'
import { placeOf } from '../gateway/people/place-code.ts'
import { runProgram } from './program.ts'

const folder = mkdtempSync(join(tmpdir(), 'gridwhistle-places-'))
afterAll(() => rmSync(folder, { recursive: true }))

const KEY = 'a-key-of-twenty-characters'

async function run(...args: string[]): Promise<{ code: number; out: string; err: string }> {
  let out = ''
  let err = ''
  const write = vi.spyOn(process.stdout, 'write').mockImplementation((text) => {
    out += String(text)
    return true
  })
  try {
    const code = await runProgram(args, { out: (text) => (out += text), err: (text) => (err += text) })
    return { code, out, err }
  } finally {
    write.mockRestore()
  }
}

test('places qr prints a code for each place, which the gateway with the same key knows', async () => {
  smallDistrict(folder)
  const config = join(folder, 'gateway.yaml')
  writeFileSync(
    config,
    `people: { placeKey: ${KEY} }\ndistrict: { file: ${join(folder, 'district.yaml')} }\n`,
  )
  const to = join(folder, 'codes')
  const url = 'https://report.example.cn'
  const { code, out } = await run('places', 'qr', '--config', config, '--url', url, '--out', to, '--json')
  expect(code).toBe(0)
  const { places } = JSON.parse(out) as { places: { place: string; url: string }[] }
  expect(places.map(({ place }) => place)).toEqual(['noodle-house', 'quay'])
  for (const { place, url: printed } of places) {
    expect(placeOf(KEY, printed.replace(`${url}/r/`, ''))).toBe(place)
    expect(readFileSync(join(to, `${place}.svg`), 'utf8')).toContain('<svg')
  }
  expect(readFileSync(join(to, 'sheet.html'), 'utf8')).toContain(places[0]!.url)
})

test('places qr without a key is wrong usage and writes nothing', async () => {
  const config = join(folder, 'bare.yaml')
  writeFileSync(config, `dataDir: ${join(folder, 'nowhere')}\n`)
  const to = join(folder, 'none')
  const { code, err } = await run('places', 'qr', '--config', config, '--url', 'https://x.cn', '--out', to)
  expect(code).toBe(2)
  expect(err).toContain('places.key')
  expect(existsSync(to)).toBe(false)
})
