/**
 * The first hour with Gridwhistle: the README's own commands, the command line, and a crew with nothing but
 * Mosquitto's clients, against a real gateway.
 */
import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { gridwhistle, run } from '../command.ts'
import { png } from '../../gateway/evidence/media.fixture.ts'
import { device } from '../device.ts'
import { eventually, GatewayProcess } from '../gateway-process.ts'
import { installed } from '../services/service.ts'

const root = fileURLToPath(new URL('../../', import.meta.url))
const rules = fileURLToPath(new URL('rules', import.meta.url))
const hasMosquitto = installed('/usr/bin/mosquitto_pub') && installed('/usr/bin/mosquitto_sub')

let folder: string
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'gridwhistle-newcomer-'))
})
afterAll(() => rmSync(folder, { recursive: true, force: true }))

function file(name: string, text: string): string {
  const path = join(folder, name)
  writeFileSync(path, text)
  return path
}

/** The shell commands below a heading, block by block. */
function commandsOf(readme: string, heading: string): string[] {
  const text = readFileSync(join(root, readme), 'utf8')
  const section = text.split(/^## /m).find((part) => part.startsWith(heading))!
  return [...section.matchAll(/```sh\n([\s\S]*?)```/g)].map((match) => match[1]!)
}

describe.skipIf(!hasMosquitto)('README, "Connect a device of your own" (needs mosquitto_pub)', () => {
  test('its commands do what it says', async () => {
    const [start, register, publish, look] = commandsOf('README.md', 'Connect a device of your own')
    expect(start).toMatch(/^npm start\n/)
    // The token is made up and lies in data/, as for anybody who has configured nothing.
    const gateway = new GatewayProcess({ GW_ADMIN_TOKEN: undefined, GW_DATA_DIR: join(folder, 'data') })
    try {
      const ready = await gateway.start()
      expect(Object.keys(JSON.parse(start!.split('# ')[1]!) as object)).toEqual(Object.keys(ready))
      const shell = async (commands: string) => {
        const here = commands.replaceAll(':8080', `:${ready.http}`).replaceAll('-p 1883', `-p ${ready.mqtt}`)
        const { code, out, err } = await run('bash', ['-euc', here], { cwd: folder })
        expect({ code, err }).toEqual({ code: 0, err: '' })
        return out
      }

      const registered = JSON.parse(await shell(register!)) as { id: string; secret: string }
      expect(registered).toMatchObject({ id: 'fume-1', kind: 'cooking_fume', secret: expect.any(String) })
      expect(publish).toMatch(/^SECRET=/)
      await shell(publish!.replace(/^SECRET=.*$/m, `SECRET=${registered.secret}`))
      const answers = await eventually('the reading is stored', async () => {
        const [readings, ledger] = (await shell(look!)).replace('}{', '}\n{').split('\n')
        return readings!.includes('2.35') && ledger!.includes('"pending":0')
          ? { readings, ledger }
          : undefined
      })
      expect(JSON.parse(answers.readings!)).toEqual({ points: [[expect.any(Number), 2.35]] })
      expect(JSON.parse(answers.ledger!)).toMatchObject({ received: 1, accepted: 1, stored: 1, pending: 0 })
    } finally {
      await gateway.dispose()
    }
  })

  test('the Chinese README has the same commands', () => {
    const withoutComments = (blocks: string[]) => blocks.map((block) => block.replaceAll(/ *#.*$/gm, ''))
    expect(withoutComments(commandsOf('README.zh-CN.md', '接入'))).toEqual(
      withoutComments(commandsOf('README.md', 'Connect a device of your own')),
    )
  })
})

describe('the command line against a running gateway', () => {
  let gateway: GatewayProcess
  beforeAll(async () => {
    gateway = new GatewayProcess({ GW_RULES_DIR: rules })
    await gateway.start()
  })
  afterAll(() => gateway.dispose())

  const cli = (...args: string[]) => gridwhistle(args, { env: gateway.environment, cwd: folder })
  const url = () => ['--url', `http://127.0.0.1:${gateway.ports.http}`]

  test('imports devices from a CSV file, lists them, and their secrets sign in', async () => {
    const csv = file(
      'kitchens.csv',
      'id,kind,site,street,grid,lon,lat,attr.fume_limit,attr.phone\n' +
        'kitchen-1,cooking_fume,mei-yuan,qinzao,qinzao-001,120.8887,32.0651,1.0,"0513, 1"\n' +
        'kitchen-2,cooking_fume,jiang-hai,qinzao,qinzao-002,120.8890,32.0655,,\n',
    )
    const secrets = join(folder, 'kitchens.secrets.json')
    const first = await cli('devices', 'import', csv, '--secrets', secrets, '--json', ...url())
    expect(first).toMatchObject({ code: 0, err: '' })
    expect(JSON.parse(first.out)).toEqual({
      created: expect.arrayContaining([{ id: 'kitchen-1' }, { id: 'kitchen-2' }]) as unknown,
      existing: 0,
      problems: [],
    })
    expect(statSync(secrets).mode & 0o777).toBe(0o600)
    const secretOf = JSON.parse(readFileSync(secrets, 'utf8')) as Record<string, string>
    const reading = [{ metrics: { fume: 0.4 } }]
    const sent = await gateway.request('POST', '/api/v1/readings', reading, secretOf['kitchen-2'])
    expect(sent.status).toBe(202)

    const again = await cli('devices', 'import', csv, '--json', ...url())
    expect(JSON.parse(again.out)).toMatchObject({ created: [], existing: 2 })
    expect(again.code).toBe(0)

    const list = await cli('devices', 'list', '--json', '--street', 'qinzao', ...url())
    expect(list.code).toBe(0)
    const devices = list.out
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line) as Record<string, unknown>)
    expect(devices).toMatchObject([
      {
        id: 'kitchen-1',
        kind: 'cooking_fume',
        site: 'mei-yuan',
        grid: 'qinzao-001',
        position: [120.8887, 32.0651],
        attributes: { fume_limit: 1, phone: '0513, 1' },
      },
      { id: 'kitchen-2', position: [120.889, 32.0655], last: { metrics: { fume: 0.4 } } },
    ])
  })

  test('a CSV file that is not right registers nothing; one that the gateway refuses in part says in which', async () => {
    const header = 'id,kind,site,street,grid\n'
    const twice = file('twice.csv', `${header}stove-1,cooking_fume,a,qinzao,qinzao-001\n`.concat('stove-1\n'))
    const unread = await cli('devices', 'import', twice, ...url())
    expect({ code: unread.code, out: unread.out }).toEqual({ code: 1, out: '' })
    expect(unread.err).toMatch(/^line 3: /)

    const teapot = file(
      'teapot.csv',
      `${header}stove-2,cooking_fume,a,qinzao,qinzao-001\nstove-3,teapot,a,qinzao,qinzao-001\n`,
    )
    const { code, out, err } = await cli('devices', 'import', teapot, ...url())
    expect(code).toBe(1)
    expect(out).toMatch(/^id,secret\r\nstove-2,\S+\r\n$/)
    expect(err).toMatch(/^line 3: .*"teapot" is not known; expected one of cooking_fume/m)
    const devices = await gateway.api<{ items: { id: string }[] }>('GET', '/api/v1/devices')
    expect(devices.items.map(({ id }) => id).filter((id) => id.startsWith('stove'))).toEqual(['stove-2'])
  })

  test('lets people in', async () => {
    const added = await cli(
      'user',
      'add',
      'wang-wu',
      '--role',
      'street',
      '--street',
      'qinzao',
      '--json',
      ...url(),
    )
    expect(added).toMatchObject({ code: 0, err: '' })
    const { secret } = JSON.parse(added.out) as { secret: string }
    expect((await gateway.request('GET', '/api/v1/cases', undefined, secret)).status).toBe(200)
    expect((await gateway.request('GET', '/api/v1/users', undefined, secret)).status).toBe(403)
    const twice = await cli('user', 'add', 'wang-wu', '--role', 'viewer', ...url())
    expect(twice.code).toBe(1)
    expect(twice.err.trim().split('\n')).toHaveLength(1)
  })

  test('verifies the journal beside the running gateway, and finds a damage', async () => {
    const { code, out } = await cli('journal', 'verify', '--json')
    expect(code).toBe(0)
    expect(JSON.parse(out)).toMatchObject({ ok: true, readings: 1, gaps: [], corrupt: [] })
    const broken = file('journal.db', 'SQLite format 3\0 and then nothing of the kind'.padEnd(8192, '.'))
    const damaged = await cli('journal', 'verify', broken)
    expect(damaged.code).toBe(1)
  })

  test('checks rule files', async () => {
    const good = await cli('rules', 'check', join(root, 'rules/packs/cooking-fume.yaml'))
    expect(good).toMatchObject({ code: 0, err: '' })
    expect(good.out).toMatch(/^\d+ rules in 1 file, all right\n$/)
    const bad = file(
      'mine.yaml',
      readFileSync(join(root, 'rules/packs/cooking-fume.yaml'), 'utf8').replace('above: 2.0', 'abvoe: 2.0'),
    )
    const { code, out, err } = await cli('rules', 'check', bad)
    expect({ code, out }).toEqual({ code: 1, out: '' })
    expect(err).toMatch(
      /^gridwhistle: \S*mine\.yaml: rule fume-over-limit: severity\.orange\.all\.0\.abvoe: unknown key; did you mean above\?\n$/,
    )
    expect((await cli('rules', 'check')).code).toBe(2)
  })
})

/** mosquitto_sub, left running; what it prints, line by line. */
class Listener {
  readonly messages: { topic: string; retained: boolean; payload: string }[] = []
  readonly #child: ChildProcess

  constructor(args: readonly string[]) {
    const child = spawn('mosquitto_sub', [...args, '-q', '1', '-F', '%t\t%r\t%p'], {
      stdio: ['ignore', 'pipe', 'inherit'],
    })
    this.#child = child
    createInterface(child.stdout).on('line', (line) => {
      const [topic, retained, payload] = line.split('\t')
      this.messages.push({ topic: topic!, retained: retained === '1', payload: payload! })
    })
  }

  async stop(): Promise<void> {
    const exit = once(this.#child, 'exit')
    this.#child.kill()
    await exit
  }
}

interface CaseItem {
  id: string
  state: string
  version: number
  timeline: { actor: string; action: string; position: number[] | null; offSite?: number; code?: string }[]
}

describe.skipIf(!hasMosquitto)('a crew with Mosquitto’s clients (needs mosquitto_sub)', () => {
  test('sees its order, works the case off step by step, and the order is gone at the end', async () => {
    const gateway = new GatewayProcess({ GW_RULES_DIR: rules })
    await gateway.start()
    const user = async (name: string, fields: object) =>
      (await gateway.api<{ secret: string }>('POST', '/api/v1/users', { name, ...fields })).secret
    const crewSecret = await user('li-si', { role: 'team', team: 'tangzhazhen-crew' })
    const streetSecret = await user('wang-wu', { role: 'street', street: 'tangzhazhen' })
    const elsewhere = await user('zhao-liu', { role: 'street', street: 'qinzao' })
    const crew = ['-h', '127.0.0.1', '-p', String(gateway.ports.mqtt), '-u', 'li-si', '-P', crewSecret]
    const listener = new Listener([
      ...crew,
      '-t',
      'dispatch/tangzhazhen-crew/#',
      '-t',
      'alarms/tangzhazhen/#',
    ])
    const kitchen = await device(gateway, { id: 'kitchen', site: 'mei-yuan' })
    try {
      // Being connected is not yet being subscribed: an answer that is heard proves it, for all topics.
      await eventually('the crew listens', async () => {
        const nothing = JSON.stringify({ case: 'none', action: 'accept' })
        await run('mosquitto_pub', [
          ...crew,
          '-q',
          '1',
          '-t',
          'dispatch/tangzhazhen-crew/actions',
          '-m',
          nothing,
        ])
        return listener.messages.length > 0 ? true : undefined
      })
      const start = Date.now() - 60_000
      await kitchen.send(
        Array.from({ length: 5 }, (_, i) => ({ ts: start + i * 1000, metrics: { fume: 3, fan: true } })),
      )

      const last = (topic: RegExp) => listener.messages.filter((message) => topic.test(message.topic)).at(-1)
      const ordered = await eventually('the order', () => last(/\/orders\//))
      const order = JSON.parse(ordered.payload) as CaseItem
      expect(ordered.topic).toBe(`dispatch/tangzhazhen-crew/orders/${order.id}`)
      expect(order).toMatchObject({
        state: 'dispatched',
        category: 'cooking-fume',
        site: 'mei-yuan',
        team: 'tangzhazhen-crew',
        position: [120.8239, 32.0616],
      })
      const alarm = await eventually('the alarm', () => last(/^alarms\/tangzhazhen\/kitchen$/))
      expect(JSON.parse(alarm.payload)).toMatchObject({ state: 'firing', case: order.id })

      const results = () =>
        listener.messages.filter(
          ({ topic, payload }) => topic === 'dispatch/tangzhazhen-crew/results' && payload.includes(order.id),
        )
      const act = async (action: object) => {
        const count = results().length
        const payload = JSON.stringify({ case: order.id, ...action })
        const sent = ['-q', '1', '-t', 'dispatch/tangzhazhen-crew/actions', '-m', payload]
        expect(await run('mosquitto_pub', [...crew, ...sent])).toMatchObject({ code: 0, err: '' })
        const answer = await eventually('an answer', () => results()[count])
        return JSON.parse(answer.payload) as Record<string, unknown>
      }
      const post = (action: object, secret: string) =>
        gateway.request('POST', `/api/v1/cases/${order.id}/actions`, action, secret)

      // Not accepted yet, so there is nothing to handle: refused with what would be right, on both ways in.
      expect(await act({ action: 'handle' })).toMatchObject({
        ok: false,
        code: 'conflict',
        allowed: ['accept', 'return'],
      })
      const wrong = await post({ action: 'handle' }, crewSecret)
      expect(wrong.status).toBe(409)
      expect(await wrong.json()).toMatchObject({ code: 'action_not_allowed', allowed: ['accept', 'return'] })

      expect(await act({ action: 'accept', actionId: 'a-1' })).toMatchObject({ ok: true, state: 'accepted' })
      const once_ = await act({ action: 'accept', actionId: 'a-1' })
      expect(once_).toMatchObject({ ok: true, actionId: 'a-1', state: 'accepted' })
      const thrice = await post({ action: 'accept', actionId: 'a-1' }, crewSecret)
      expect(thrice.status).toBe(200)

      expect(await act({ action: 'arrive' })).toMatchObject({ ok: false, code: 'invalid', field: 'position' })
      const arrive = { action: 'arrive', actionId: 'a-2', position: [120.824, 32.0617] }
      expect(await act(arrive)).toMatchObject({ ok: true, state: 'on_site' })
      const form = new FormData()
      form.append('file', new Blob([new Uint8Array(png())]), 'photo-1.png')
      const files = `http://127.0.0.1:${gateway.ports.http}/api/v1/cases/${order.id}/files`
      const headers = { authorization: `Bearer ${crewSecret}` }
      const uploaded = await fetch(files, { method: 'POST', headers, body: form })
      const photo = ((await uploaded.json()) as { id: string }).id
      expect(await act({ action: 'handle', files: ['photo-1.png'] })).toMatchObject({
        ok: false,
        field: 'files',
      })
      expect(await act({ action: 'handle', note: 'filter cleaned', files: [photo] })).toMatchObject({
        ok: true,
        state: 'handled',
      })
      // Whoever did the work does not check it, and who has no business with it does not see it.
      expect(await act({ action: 'verify' })).toMatchObject({ ok: false, code: 'forbidden' })
      expect((await post({ action: 'verify' }, elsewhere)).status).toBe(404)

      expect((await post({ action: 'verify', actionId: 's-1' }, streetSecret)).status).toBe(200)
      expect((await post({ action: 'close' }, streetSecret)).status).toBe(400)
      expect((await post({ action: 'close', code: 'confirmed' }, streetSecret)).status).toBe(200)
      const over = await post({ action: 'accept' }, streetSecret)
      expect(over.status).toBe(409)
      expect(await over.json()).toMatchObject({ allowed: [] })

      await eventually('the order is taken back', () =>
        last(/\/orders\//)!.payload === '' ? true : undefined,
      )
      const late = new Listener([...crew, '-t', 'dispatch/tangzhazhen-crew/#'])
      try {
        // Nobody tells when mosquitto_sub has subscribed, and answers are not retained: ask until it hears one.
        await eventually('a later listener hears the answer', async () => {
          expect(await act({ action: 'accept' })).toMatchObject({ ok: false })
          return late.messages[0]
        })
        expect(late.messages.filter(({ topic }) => topic.includes('/orders/'))).toEqual([])
      } finally {
        await late.stop()
      }

      const found = await gateway.api<CaseItem>('GET', `/api/v1/cases/${order.id}`)
      expect(found).toMatchObject({ state: 'closed', closeCode: 'confirmed' })
      expect(found.timeline.map(({ actor, action }) => `${actor} ${action}`)).toEqual([
        'gateway opened',
        'gateway assign',
        'li-si accept',
        'li-si arrive',
        'li-si evidence_added',
        'li-si handle',
        'wang-wu verify',
        'wang-wu close',
      ])
      expect(found.timeline[3]).toMatchObject({ position: [120.824, 32.0617] })
      expect(found.timeline[3]).not.toHaveProperty('offSite')
      expect(found.timeline[5]).toMatchObject({ note: 'filter cleaned', files: [photo] })
    } finally {
      kitchen.client.end(true)
      await listener.stop()
      await gateway.dispose()
    }
  })
})
