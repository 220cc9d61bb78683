/** What one gateway took in is recorded and played to it again, through the command line. */
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { gridwhistle } from '../command.ts'
import { pointsOf } from '../device.ts'
import { ADMIN_TOKEN, cli, eventually, GatewayProcess } from '../gateway-process.ts'

let gateway: GatewayProcess
let folder: string
beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'record-'))
  gateway = new GatewayProcess({ GW_LOG_LEVEL: 'error', GW_HJ212_PORT: '0' })
  await gateway.start()
})
afterAll(async () => {
  await gateway.dispose()
  rmSync(folder, { recursive: true, force: true })
})

const at = () => [
  '--http',
  `http://127.0.0.1:${gateway.ports.http}`,
  '--to',
  `mqtt://127.0.0.1:${gateway.ports.mqtt}`,
  '--token',
  ADMIN_TOKEN,
]

test('a recording holds the bytes that were sent, and plays as simulated devices with the same values', async () => {
  const device = { kind: 'cooking_fume', site: 'shop', street: 'wenfeng', grid: 'wenfeng-001' }
  const { secret } = await gateway.api<{ secret: string }>('POST', '/api/v1/devices', {
    id: 'k-1',
    ...device,
  })
  const send = (body: string) =>
    fetch(`http://127.0.0.1:${gateway.ports.http}/api/v1/readings`, {
      method: 'POST',
      headers: { authorization: `Bearer k-1:${secret}`, 'content-type': 'application/json' },
      body,
    })
  const file = join(folder, 'morning.jsonl')
  const now = Date.now()
  const recorder = spawn(process.execPath, [cli, 'record', file, '--json', ...at()], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  let out = ''
  recorder.stdout.on('data', (chunk: Buffer) => (out += chunk.toString()))
  // It may not listen yet: until the first message is there, another one is sent.
  let sent = 0
  await eventually('the first message recorded', async () => {
    await send(`[{"ts":${now - 60_000 + sent++},"metrics":{"fume":1.25}}]`)
    return existsSync(file) && readFileSync(file, 'utf8').includes('1.25') ? true : undefined
  })
  await send(`[{"ts":${now - 1000},"metrics":{"fume":1.50,"fan":true}}]`)
  await send(`[{"ts":${now - 900},"metrics":{"what":1}}]`)
  await eventually('the last message recorded', () =>
    readFileSync(file, 'utf8').includes('"fan') ? true : undefined,
  )
  recorder.kill('SIGINT')
  const [code] = (await once(recorder, 'close')) as [number]
  expect(code).toBe(0)
  const lines = readFileSync(file, 'utf8')
    .trim()
    .split('\n')
    .map(
      (line) =>
        JSON.parse(line) as { device: string; topic?: string; payload?: string; registration?: object },
    )
  const messages = lines.filter(({ topic }) => topic === 'v1/k-1/readings')
  expect(JSON.parse(out)).toMatchObject({ messages: messages.length, devices: 1, lost: 0 })
  expect(lines.find(({ registration }) => registration !== undefined)).toMatchObject({
    device: 'k-1',
    registration: device,
  })
  // The gateway names the device apart from the reading; the rest is as it was sent.
  expect(JSON.parse(messages.at(-1)!.payload!)).toMatchObject([
    { ts: now - 1000, metrics: { fume: 1.5, fan: true } },
  ])

  const played = await gridwhistle(['replay', file, '--speed', 'max', '--shift', 'none', '--json', ...at()])
  expect(played).toMatchObject({ code: 0 })
  expect(JSON.parse(played.out)).toMatchObject({ sent: messages.length, acknowledged: messages.length })
  expect(await gateway.api('GET', '/api/v1/devices/sim-k-1')).toMatchObject({
    ...device,
    attributes: { simulated: true },
  })
  await eventually('the replayed readings stored', async () =>
    (await pointsOf(gateway, 'sim-k-1', 'fume')).some(([ts, value]) => ts === now - 1000 && value === 1.5)
      ? true
      : undefined,
  )
})

test('an HJ 212 log is heard as a monitor is: frames acknowledged, readings stored, marked as simulated', async () => {
  const mn = '320613000000000000000001'
  const log = join(folder, 'monitors.log')
  const roster = join(folder, 'roster.yaml')
  const frames = [
    `##0219QN=20240601120000123;ST=31;CN=2011;PW=123456;MN=${mn};Flag=5;CP=&&DataTime=20240601120000;a34041-Rtd=2.35,a34041-Flag=N;a34013-Rtd=6.10,a34013-Flag=N;a24088-Rtd=8.412,a24088-Flag=N;SB1-RS=1;SB2-RS=0&&5A00`,
    `##0140QN=20240601120030123;ST=31;CN=2011;PW=123456;MN=${mn};Flag=4;CP=&&DataTime=20240601120030;a34041-Rtd=9.99,a34041-Flag=M&&3C00`,
  ]
  writeFileSync(log, frames.map((frame) => `2024-06-01 12:00:00 < ${frame}\n`).join(''))
  writeFileSync(
    roster,
    `source: a test\ndevices:\n  - { id: monitor-1, kind: cooking_fume, site: shop, street: wenfeng, grid: wenfeng-001, hj212: { mn: '${mn}' } }\n`,
  )
  const hj212 = ['--hj212', `tcp://127.0.0.1:${gateway.ports.hj212}`]
  const begins = Math.floor(Date.now() / 1000) * 1000 - 60_000
  const shift = new Date(begins).toISOString()
  const args = [
    'replay',
    log,
    '--map',
    roster,
    '--speed',
    'max',
    '--shift',
    shift,
    '--json',
    ...at(),
    ...hj212,
  ]
  const played = await gridwhistle(args)
  expect(played).toMatchObject({ code: 0 })
  expect(JSON.parse(played.out)).toMatchObject({ format: 'hj212', rows: 2, sent: 2, acknowledged: 1 })
  const points = await eventually('both readings stored', async () => {
    const found = await pointsOf(gateway, 'sim-monitor-1', 'fume')
    return found.length === 2 ? found : undefined
  })
  // The first frame's QN is 123 ms behind its DataTime, which knows only whole seconds.
  expect(points).toEqual([
    [begins - 1000, 2.35],
    [begins + 29_000, 9.99],
  ])
})
