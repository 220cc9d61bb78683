/** What one gateway took in is recorded and played to it again, through the command line. */
import { mkdtempSync, readFileSync, rmSync, existsSync } from 'node:fs'
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
  gateway = new GatewayProcess({ GW_LOG_LEVEL: 'error' })
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
