import { writeFileSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { buffer } from 'node:stream/consumers'
import * as fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { fromBufferPromise } from 'yauzl'
import yazl from 'yazl'
import { ADMIN_TOKEN, fume, Site } from '../http/server.fixture.ts'
import { archiveOf, SEAL_BYTES, type Manifest } from './archive.ts'
import { livedCase } from './case-file.fixture.ts'
import type { Context } from './context.ts'
import { EvidenceKey } from './evidence-key.ts'
import { verifyCaseFile, type Verification } from './verify.ts'

let site: Site
let id: string
let exported: Buffer
let folder: string
let key: EvidenceKey

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'gridwhistle-case-file-'))
  key = new EvidenceKey(join(folder, 'pki'))
  key.load()
  site = await new Site().start()
  id = await livedCase(site)
  exported = await fetched()
})
afterAll(async () => {
  await site.stop()
  rmSync(folder, { recursive: true })
})

async function fetched(token = ADMIN_TOKEN): Promise<Buffer> {
  const response = await fetch(`${site.origin}/api/v1/cases/${id}/export`, {
    headers: { authorization: `Bearer ${token}` },
  })
  expect(response.status).toBe(200)
  expect(response.headers.get('content-type')).toBe('application/zip')
  return Buffer.from(await response.arrayBuffer())
}

async function parts(zip: Buffer): Promise<Map<string, Buffer>> {
  const found = new Map<string, Buffer>()
  const archive = await fromBufferPromise(zip, { lazyEntries: true, autoClose: false })
  for await (const entry of archive.eachEntry())
    found.set(entry.fileName, await buffer(await archive.openReadStreamPromise(entry)))
  return found
}

let number = 0
async function verified(bytes: Uint8Array, fingerprint?: string): Promise<Verification> {
  const file = join(folder, `${++number}.zip`)
  writeFileSync(file, bytes)
  const found = await verifyCaseFile(file, fingerprint)
  rmSync(file)
  return found
}

test('the file of a case holds all that is known of it, and is intact', async () => {
  const found = await parts(exported)
  const { evidenceKey } = site.parts
  const photos = site.evidence.files(id).filter(({ by }) => by === 'ma')
  const names = [...found.keys()]
  expect(names).toEqual(
    expect.arrayContaining([
      ...'report.html case.json timeline.jsonl alarms.json rule.yaml context.json'.split(' '),
      ...'readings.jsonl readings.csv frames.jsonl manifest.json manifest.sig'.split(' '),
      ...photos.map(({ id: file, media }) => `files/${file}.${media.split('/')[1]!.replace('jpeg', 'jpg')}`),
    ]),
  )
  expect(names.filter((name) => name.startsWith('frozen/')).length).toBeGreaterThan(3)
  const manifest = JSON.parse(found.get('manifest.json')!.toString()) as Manifest
  expect(manifest).toMatchObject({
    case: id,
    entries: site.cases.chain(id).length,
    chainHead: site.cases.chain(id).at(-1)!.hash,
    publicKey: evidenceKey.public.publicKey,
  })
  expect(await verified(exported, evidenceKey.public.fingerprint)).toEqual({
    intact: true,
    damage: [],
    case: id,
    entries: manifest.entries,
    chainHead: manifest.chainHead,
    parts: manifest.parts.length,
    fingerprint: evidenceKey.public.fingerprint,
    isExpectedKey: true,
  })
})

test('its page shows messages that came around the alarm', async () => {
  const page = (await parts(exported)).get('report.html')!.toString()
  expect(page).toMatch(/<code class="raw">\[\{&quot;ts&quot;:\d+,&quot;metrics&quot;:/)
})

test('the same case makes the same bytes, and reading it is in the audit', async () => {
  const before = site.parts.audit.list({ limit: 1 }).items[0]!.id
  expect((await fetched()).equals(exported)).toBe(true)
  expect(site.parts.audit.list({ limit: 1 }).items[0]).toMatchObject({
    id: before + 1,
    actor: 'admin',
    action: 'personal.read',
    subject: id,
    detail: 'export',
  })
})

test('whoever may not see the case gets no file of it', async () => {
  const stranger = await site.person('xu', 'team', { team: 'hongqiao-crew' })
  expect((await site.call('GET', `/api/v1/cases/${id}/export`, { token: stranger })).status).toBe(404)
  expect((await site.call('GET', '/api/v1/evidence-key', { token: stranger })).body).toEqual(
    site.parts.evidenceKey.public,
  )
})

test('the report runs nothing, loads nothing but its photos, and shows what people wrote as text', async () => {
  const page = (await parts(exported)).get('report.html')!.toString()
  expect(page).not.toMatch(/<script|<img src=x|javascript:|https?:\/\//)
  expect(page).toContain('收到 &lt;img src=x onerror=alert(1)&gt; &amp; &quot;on our way&quot;')
  expect(page).toContain('=HYPERLINK(&quot;x&quot;)&lt;script&gt;')
  expect(page).toMatch(/class="limit orange"/)
  expect(page).toMatch(/Missed by|Kept/)
  for (const [, source] of page.matchAll(/ src="([^"]*)"/g))
    expect(source).toMatch(/^files\/[0-9a-f]{64}\.(jpg|png)$/)
})

test('readings as a spreadsheet hold no formula', async () => {
  const rows = (await parts(exported)).get('readings.csv')!.toString().split('\r\n')
  expect(rows[0]).toBe('\uFEFFtime,ts,device,metric,value,flag')
  expect(rows[1]).toMatch(/^\d{4}-\d\d-\d\dT[\d:.]{12}\+08:00,\d+,fume-1,\w+,[\w.]+,[A-Z]$/)
  expect(rows.join('\n')).not.toMatch(/^[=+@]/m)
})

describe('verify', () => {
  test('notices any byte that is another', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.nat(exported.byteLength - 1),
        fc.integer({ min: 1, max: 255 }),
        async (at, change) => {
          const forged = Buffer.from(exported)
          forged[at]! ^= change
          expect((await verified(forged)).intact).toBe(false)
        },
      ),
      { numRuns: 60 },
    )
    // The seal and what is before it, which chance would seldom meet.
    for (let back = 1; back <= SEAL_BYTES + 22; back += 7) {
      const forged = Buffer.from(exported)
      forged[exported.byteLength - back]! ^= 1
      expect([back, (await verified(forged)).intact]).toEqual([back, false])
    }
  })

  test('notices what is cut off, added or nothing like it', async () => {
    for (const forged of [
      exported.subarray(0, -1),
      exported.subarray(1),
      Buffer.concat([exported, Buffer.from(' ')]),
      Buffer.alloc(0),
      Buffer.from('PK'),
      Buffer.from('no archive '.repeat(100)),
    ])
      expect((await verified(forged)).intact).toBe(false)
  })

  test('names the part that was changed, and the entry that breaks the chain', async () => {
    const found = await parts(exported)
    const lines = found.get('timeline.jsonl')!.toString().split('\n')
    lines[2] = lines[2]!.replace('"at":1', '"at":2')
    const { damage } = await verified(
      await packed(new Map([...found, ['timeline.jsonl', Buffer.from(lines.join('\n'))]])),
    )
    expect(damage).toEqual(
      expect.arrayContaining([
        { part: 'timeline.jsonl', what: 'has changed' },
        { part: 'timeline.jsonl', entry: 3, what: 'entry 3 does not follow from those before it' },
      ]),
    )
  })

  test('a file that somebody else has sealed is intact only without the key', async () => {
    const found = await parts(exported)
    found.delete('manifest.json')
    found.delete('manifest.sig')
    const forged = await buffer(
      archiveOf({
        caseId: id,
        entries: site.cases.chain(id).length,
        chainHead: site.cases.chain(id).at(-1)!.hash,
        at: 0,
        key,
        parts: [...found].map(([name, bytes]) => ({
          name,
          isPacked: false,
          open: async function* () {
            yield bytes
          },
        })),
      }),
    )
    expect((await verified(forged)).intact).toBe(true)
    expect(await verified(forged, site.parts.evidenceKey.public.fingerprint)).toMatchObject({
      intact: false,
      isExpectedKey: false,
    })
  })

  test.each([
    ['a part that is not in the manifest', 'extra.txt', 0o100644, /not in the manifest/],
    ['a link', 'extra.txt', 0o120777, /no plain file/],
  ])('says that %s has no business there', async (_name, name, mode, what) => {
    const found = await parts(exported)
    const { damage } = await verified(await packed(found, [[name, Buffer.from('x'), mode]]))
    expect(damage).toContainEqual({ part: name, what: expect.stringMatching(what) as string })
  })

  test.each([
    ['leads out of the folder', 'aa/extra.txt', '../extra.txt'],
    ['is absolute', 'aextra.txt', '/extra.txt'],
    ['is there twice', 'case.jsox', 'case.json'],
  ])('a name that %s is refused', async (_name, name, other) => {
    const found = await parts(exported)
    const bytes = await packed(found, [[name, Buffer.from('x'), 0o100644]])
    const text = bytes.toString('latin1').replaceAll(name, other)
    const { intact, damage } = await verified(Buffer.from(text, 'latin1'))
    expect(intact).toBe(false)
    expect(JSON.stringify(damage)).toMatch(/invalid relative path|absolute path|is there twice/)
  })

  test('a timeline of a hundred million lines does not burst the memory', async () => {
    const found = await parts(exported)
    const lines = new Map([...found, ['timeline.jsonl', Buffer.alloc(100_000_000, '\n')]])
    const before = process.memoryUsage().heapTotal
    const { damage } = await verified(await packed(lines))
    expect(damage).toContainEqual({ part: 'timeline.jsonl', what: 'is no timeline' })
    expect(process.memoryUsage().heapTotal - before).toBeLessThan(256 * 1024 * 1024)
  })

  test('a bomb is not unpacked', async () => {
    const found = await parts(exported)
    const bomb = new Map([...found, ['frames.jsonl', Buffer.alloc(64 * 1024 * 1024)]])
    const { damage } = await verified(await packed(bomb))
    expect(damage).toContainEqual({
      part: 'frames.jsonl',
      what: expect.stringMatching(/has 67108864 bytes, not/) as string,
    })
  })
})

/** As a forger would pack it again. */
async function packed(
  found: ReadonlyMap<string, Buffer>,
  more: [string, Buffer, number][] = [],
): Promise<Buffer> {
  const zip = new yazl.ZipFile()
  for (const [name, bytes] of found) zip.addBuffer(bytes, name)
  for (const [name, bytes, mode] of more) zip.addBuffer(bytes, name, { mode })
  zip.end()
  return await buffer(zip.outputStream)
}

test('months later the report says why nobody came: who was called, who was on duty, what was missed', async () => {
  await site.device(fume('fume-2', 'wenfeng'))
  const missed = site.alarm({ device: 'fume-2', startedAt: site.clock.now() })!
  const called = { token: ADMIN_TOKEN, body: { departments: ['chengguan'], note: '需要执法' } }
  expect((await site.call('POST', `/api/v1/cases/${missed}/whistles`, called)).status).toBe(200)
  site.clock.ahead += 90 * 60_000
  const answer = await fetch(`${site.origin}/api/v1/cases/${missed}/export`, {
    headers: { authorization: `Bearer ${ADMIN_TOKEN}` },
  })
  const found = await parts(Buffer.from(await answer.arrayBuffer()))
  const report = found.get('report.html')!.toString()
  expect(report).toMatch(/Whistle: department called[^#]*?城市管理局[^<]*\(chengguan\)/)
  expect(report).toContain('→ 文峰网格巡查组 Wenfeng grid crew (wenfeng-crew)')
  expect(report.match(/超时未完成 Missed, not done/g)).toHaveLength(2)
  expect(report).toContain('餐饮油烟 Cooking fume (cooking-fume)')
  const { duty } = JSON.parse(found.get('context.json')!.toString()) as Context
  expect(duty).toContainEqual({
    team: 'wenfeng-crew',
    level: 'grid',
    title: expect.anything() as unknown,
    members: expect.arrayContaining([
      { id: expect.anything() as unknown, name: expect.anything() as unknown },
    ]) as unknown,
  })
  expect(duty!.map(({ team }) => team)).not.toContain('hongqiao-crew')
  expect(JSON.stringify(duty)).not.toContain('138')
})
