/** A case that has been through its life, with readings, photos and all that is frozen for it. */
import { Readable } from 'node:stream'
import { vi } from 'vitest'
import { ADMIN_TOKEN, fume, type Site } from '../http/server.fixture.ts'
import { jpeg, mp4, png } from './media.fixture.ts'

const MINUTE = 60_000
const PLACE = [120.8921, 31.9902] as const

export async function livedCase(site: Site, minutes = 60): Promise<string> {
  const device = fume('fume-1', 'wenfeng', {
    position: [...PLACE],
    attributes: {
      last_calibrated: '2026-11-01',
      last_cleaned: '2026-11-20',
      brand: '=HYPERLINK("x")<script>',
    },
  })
  const secret = await site.device(device)
  const crew = await site.person('ma', 'team', { team: 'wenfeng-crew' })
  const now = site.clock.now()
  const start = now - minutes * MINUTE
  const body = Array.from({ length: minutes * 2 }, (_, i) => {
    const level = 0.5 + 2.6 * Math.exp(-(((i / (minutes * 2) - 0.7) * 4) ** 2)) + 0.12 * Math.sin(i * 1.7)
    return {
      ts: start + i * (MINUTE / 2),
      metrics: {
        fume: Number(level.toFixed(3)),
        fan: true,
        purifier: i < minutes,
        temperature: 22 + (i % 7) / 10,
      },
      ...(i > 20 && i < 24 && { flags: { fume: 'C' } }),
    }
  })
  for (let at = 0; at < body.length; at += 500)
    await site.call('POST', '/api/v1/readings', { token: secret, body: body.slice(at, at + 500) })
  await vi.waitFor(() => {
    if (site.journal.ledger().pending > 0) throw new Error('not stored yet')
  }, 10_000)
  const startedAt = now - minutes * MINUTE * 0.4
  const id = site.alarm({ device: 'fume-1', startedAt })!
  site.clock.ahead += 61_000
  await site.captures.settle()
  const act = async (action: object, token = crew) => {
    const answer = await site.call('POST', `/api/v1/cases/${id}/actions`, { token, body: action })
    if (answer.status !== 200) throw new Error(JSON.stringify(answer.body))
  }
  const attach = async (bytes: Buffer) =>
    (
      await site.evidence.attach(
        id,
        'ma',
        await site.evidence.receive(Readable.from([bytes]), { type: 'user', key: 'ma' }),
      )
    ).file.id
  site.clock.ahead += 3 * MINUTE
  await act({
    action: 'accept',
    note: '收到 <img src=x onerror=alert(1)> & "on our way"',
    position: [120.8902, 31.9884],
  })
  site.clock.ahead += 14 * MINUTE
  await act({ action: 'arrive', position: [120.8924, 31.9905] })
  const photos = [await attach(png(3, 320, 240)), await attach(jpeg()), await attach(mp4())]
  site.clock.ahead += 12 * MINUTE
  site.alarm({ device: 'fume-1', startedAt, state: 'cleared', clearedAt: site.clock.now() })
  await act({
    action: 'handle',
    note: '净化器已清洗，更换滤板',
    position: [120.8988, 31.9955],
    files: photos,
  })
  await act({ action: 'verify' }, ADMIN_TOKEN)
  await act({ action: 'close', code: 'confirmed' }, ADMIN_TOKEN)
  site.clock.ahead += 32 * MINUTE
  await site.captures.settle()
  return id
}
