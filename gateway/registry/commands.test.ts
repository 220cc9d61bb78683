import { afterEach, beforeEach, expect, test } from 'vitest'
import { RegistryFolder, type Registry } from './registry.fixture.ts'

let folder: RegistryFolder
let registry: Registry
beforeEach(() => {
  folder = new RegistryFolder()
  registry = folder.open()
})
afterEach(() => folder.remove())

const say = (id: string) => ({
  id,
  device: 'speaker-1',
  command: 'say',
  expires: folder.clock.time + 60_000,
})
const answer = (id: string, payload: unknown, device = 'speaker-1') =>
  registry.commands.answered(device, id, Buffer.from(JSON.stringify(payload)))
const details = () =>
  registry.audit
    .list({ limit: 100 })
    .items.map(({ actor, action, subject, detail }) => [actor, action, subject, detail])

test('a command and its answer are in the audit, and belong together by the id', () => {
  registry.commands.sent('zhou', say('c1'))
  expect(answer('c1', { ok: true })).toBe(true)
  expect(details()).toEqual([
    ['speaker-1', 'command.result', 'c1', 'ok'],
    ['zhou', 'command.say', 'speaker-1', 'c1'],
  ])
})

test('a device is heard once for each command that it was sent, and never otherwise', () => {
  registry.commands.sent('zhou', say('c1'))
  expect(answer('c1', { ok: true }, 'speaker-2')).toBe(false)
  expect(answer('c2', { ok: true })).toBe(false)
  expect(answer('c1', { ok: true })).toBe(true)
  for (let i = 0; i < 10; i++) expect(answer('c1', { ok: false, error: 'again' })).toBe(true)
  expect(details()).toHaveLength(2)
})

test('an answer that comes after a restart still counts, one a week late does not', () => {
  registry.commands.sent('zhou', say('c1'))
  registry = folder.open()
  expect(answer('c1', { ok: true })).toBe(true)
  folder.clock.time += 8 * 86_400_000
  registry.commands.sent('zhou', say('c2'))
  expect(answer('c1', { ok: true })).toBe(false)
})

test.each([
  [{ ok: false, error: 'no loudspeaker' }, 'failed: no loudspeaker'],
  [{ ok: false }, 'failed'],
  [{ ok: false, error: { deep: true } }, 'failed'],
  [{ ok: 'yes' }, 'failed'],
  [[1], 'unreadable: [1]'],
  [
    { ok: false, error: 'a\r\nlevel=fatal \u001B[31m\u202Egnp.exe\u2028' },
    'failed: a level=fatal  [31m gnp.exe ',
  ],
])('what a device answers is kept as a bounded, harmless line: %j', (payload, detail) => {
  registry.commands.sent('zhou', say('c1'))
  answer('c1', payload)
  expect(details()[0]![3]).toBe(detail)
})

test('a long answer, or one that is no text, is cut and well-formed', () => {
  for (const [id, payload] of [
    ['c1', Buffer.from('😀'.repeat(100_000))],
    ['c2', Buffer.from([0xff, 0x00, 0xc3, 0x28])],
    ['c3', Buffer.alloc(0)],
  ] as const) {
    registry.commands.sent('zhou', say(id))
    registry.commands.answered('speaker-1', id, payload)
    const detail = details()[0]![3]!
    expect(detail.length).toBeLessThan(220)
    expect(detail.isWellFormed()).toBe(true)
    expect(detail).toMatch(/^unreadable: /)
  }
})
