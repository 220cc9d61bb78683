import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { buffer } from 'node:stream/consumers'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { fromBufferPromise } from 'yauzl'
import { Monitor, upload } from '../../adapters/hj212/monitor.fixture.ts'
import { ledgerOf, register } from '../device.ts'
import { eventually, GatewayProcess } from '../gateway-process.ts'

const MINUTE = 60_000
const PW = 'Qz7hT9'
const MN = '320613000000000000000007'

const gateway = new GatewayProcess({ GW_HJ212_PORT: '0' })
beforeAll(() => gateway.start())
afterAll(() => gateway.dispose())

async function send(frames: readonly Buffer[]): Promise<void> {
  const monitor = new Monitor(gateway.ports.hj212!)
  try {
    for (const frame of frames) {
      monitor.send(frame)
      expect(await monitor.next()).toMatchObject({ cn: '9014' })
    }
  } finally {
    monitor.end()
  }
}

async function exported(id: string): Promise<Map<string, Buffer>> {
  const answer = await gateway.request('GET', `/api/v1/cases/${id}/export`)
  expect(answer.status).toBe(200)
  const zip = await fromBufferPromise(Buffer.from(await answer.arrayBuffer()), {
    lazyEntries: true,
    autoClose: false,
  })
  const parts = new Map<string, Buffer>()
  for await (const entry of zip.eachEntry())
    parts.set(entry.fileName, await buffer(await zip.openReadStreamPromise(entry)))
  return parts
}

test('the frame of an HJ 212 device is in the file of its case, after a kill −9 too, and its password is nowhere', async () => {
  const protocols = { hj212: { mn: MN, pw: PW } }
  const attributes = { note: 'as registered' }
  await register(gateway, { id: 'fume-1', protocols, attributes })
  const now = Math.floor(Date.now() / 1000) * 1000
  const frames = Array.from({ length: 40 }, (_, i) => {
    const cp = 'a34041-Rtd=9.87,a34041-Flag=N;SB1-RS=1;SB2-RS=1'
    return upload({ mn: MN, pw: PW, at: now - 20 * MINUTE + i * 30_000, cp }).frame
  })
  await send(frames)
  const found = await eventually('the case', async () => {
    const { items } = await gateway.api<{ items: { id: string }[] }>('GET', '/api/v1/cases')
    return items[0]
  })
  const before = await ledgerOf(gateway)
  await gateway.end('SIGKILL')
  const { log } = gateway
  await gateway.start()
  // Sent again: their readings are known still.
  await send(frames.slice(-3))
  const after = await ledgerOf(gateway)
  expect([after.accepted - before.accepted, after.duplicates - before.duplicates]).toEqual([0, 3])

  const parts = await exported(found.id)
  const lines = parts.get('frames.jsonl')!.toString().trimEnd().split('\n')
  const messages = lines.slice(1, -1).map((line) => JSON.parse(line) as Record<string, unknown>)
  expect(messages).toHaveLength(frames.length)
  const sent = frames.map((frame) => frame.toString().trimEnd())
  const masked = (frame: string) => frame.replace(`PW=${PW}`, 'PW=******').replace(/....$/, '****')
  expect(messages[0]).toMatchObject({ device: 'fume-1', readings: 1, payload: expect.any(String) as unknown })
  expect(messages.map(({ wire }) => wire)).toEqual(
    sent.map((frame) => ({
      wire: 'hj212',
      frames: [masked(frame)],
      checksum: 'annex-a',
      masked: ['PW', 'checksum'],
    })),
  )
  const report = parts.get('report.html')!.toString()
  expect(report).toContain(masked(sent[0]!).replaceAll('&', '&amp;'))
  expect(report).toContain('annex-a')

  const answers = await Promise.all(
    [
      'readings?device=fume-1&metric=fume&from=0',
      'messages?from=0',
      'devices/fume-1',
      `cases/${found.id}`,
    ].map(async (path) => await (await gateway.request('GET', `/api/v1/${path}`)).text()),
  )
  expect(answers[1]).toContain('9.87')
  for (const text of [
    ...answers,
    ...[...parts.values()].map((part) => part.toString('latin1')),
    log,
    gateway.log,
  ])
    expect(text).not.toContain(PW)
  await gateway.end('SIGTERM')
  for (const name of readdirSync(gateway.dataDir).filter((file) => /^(journal|history)/.test(file)))
    expect(readFileSync(join(gateway.dataDir, name)).includes(PW), name).toBe(false)
})
