import { createHash } from 'node:crypto'
import { existsSync, readdirSync, writeFileSync, mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { brokenLink } from '../evidence/chain.ts'
import type { EvidenceFile } from '../evidence/evidence.ts'
import { jpeg, mp4, png } from '../evidence/media.fixture.ts'
import { ADMIN_TOKEN as token, fume, Site } from './server.fixture.ts'

let site: Site
let crew: string
let stranger: string

beforeAll(async () => {
  site = await new Site().start()
  crew = await site.person('ma', 'team', { team: 'wenfeng-crew' })
  stranger = await site.person('xu', 'team', { team: 'hongqiao-crew' })
})
afterAll(() => site.stop())

let number = 0
async function opened(): Promise<string> {
  const device = `fume-${++number}`
  await site.device(fume(device, 'wenfeng'))
  return site.alarm({ device })!
}

async function upload(id: string, bytes: Uint8Array, by = crew, name = '../../etc/passwd') {
  const form = new FormData()
  form.append('file', new Blob([Buffer.from(bytes)], { type: 'text/html' }), name)
  const response = await fetch(`${site.origin}/api/v1/cases/${id}/files`, {
    method: 'POST',
    headers: { authorization: `Bearer ${by}` },
    body: form,
  })
  return {
    status: response.status,
    body: (await response.json()) as EvidenceFile & { code?: string; detail?: string },
  }
}
const sha256 = (bytes: Uint8Array) => createHash('sha256').update(bytes).digest('hex')
const reads = () =>
  site.parts.audit.list({ limit: 100 }).items.filter(({ action }) => action === 'personal.read')

describe('a photo or a video', () => {
  test('is kept byte for byte under its hash, with what it claims, and enters the chain', async () => {
    const id = await opened()
    const photo = jpeg()
    const { status, body } = await upload(id, photo)
    expect([status, body]).toMatchObject([
      201,
      {
        id: sha256(photo),
        kind: 'photo',
        media: 'image/jpeg',
        size: photo.byteLength,
        by: 'ma',
        claimed: { takenAt: '2024:06:01 12:00:00+08:00', position: [120.82, 32.061667] },
      },
    ])
    expect(site.cases.get(id)!.timeline.at(-1)).toMatchObject({
      actor: 'ma',
      action: 'evidence_added',
      files: [body.id],
    })
    expect(brokenLink(id, site.cases.chain(id))).toBeNull()
    const list = await site.call('GET', `/api/v1/cases/${id}/files`, { token: crew })
    expect(list.body).toEqual({ items: [body] })
  })

  test('that comes twice is one, also beyond the limit of files', async () => {
    const id = await opened()
    for (let seed = 0; seed < 5; seed++) expect((await upload(id, png(seed))).status).toBe(201)
    expect(await upload(id, png(5))).toMatchObject({ status: 409, body: { code: 'too_many_files' } })
    expect((await upload(id, png(3))).status).toBe(200)
    expect(site.evidence.files(id)).toHaveLength(5)
    const other = await opened()
    expect((await upload(other, png(3))).status).toBe(201)
  })

  test('can be named by actions of its case, and by none of another', async () => {
    const id = await opened()
    const { body } = await upload(id, png(20))
    const act = async (to: string) =>
      await site.call('POST', `/api/v1/cases/${to}/actions`, {
        token: crew,
        body: { action: 'accept', files: [body.id] },
      })
    expect((await act(await opened())).body).toMatchObject({ status: 400, detail: /no evidence/ })
    expect((await act(id)).status).toBe(200)
  })

  test.each([
    ['a page', () => Buffer.from('<script>alert(1)</script>'), 415, 'bad_evidence'],
    ['a photo that is too large', () => Buffer.concat([jpeg(), Buffer.alloc(1 << 18)]), 413, 'too_large'],
    ['a video that is too large', () => mp4(1 << 19), 413, 'too_large'],
    ['something huge', () => Buffer.alloc(1 << 20), 413, 'too_large'],
  ])('%s is refused and leaves nothing', async (_name, bytes, status, code) => {
    const id = await opened()
    const answer = await upload(id, bytes())
    expect([answer.status, answer.body.code]).toEqual([status, code])
    expect(site.evidence.files(id)).toEqual([])
    expect(readdirSync(join(site.folder, 'evidence', 'incoming'))).toEqual([])
  })

  test('a video may be larger than a photo', async () => {
    expect((await upload(await opened(), mp4(1 << 18))).status).toBe(201)
  })

  test('whoever may not act on the case may not add to its file, and learns nothing of it', async () => {
    const id = await opened()
    const { body } = await upload(id, png(30))
    expect((await upload(id, png(31), stranger)).status).toBe(404)
    for (const path of ['files', `files/${body.id}`])
      expect((await site.call('GET', `/api/v1/cases/${id}/${path}`, { token: stranger })).status).toBe(404)
    const viewer = await site.person('zhao', 'viewer')
    expect((await upload(id, png(31), viewer)).status).toBe(403)
  })

  test('a closed case takes no more', async () => {
    const id = await opened()
    await site.call('POST', `/api/v1/cases/${id}/actions`, { token, body: { action: 'void' } })
    expect(await upload(id, png(40))).toMatchObject({ status: 409, body: { code: 'case_closed' } })
  })

  test.each([
    ['JSON', 'application/json', '{}', 415],
    ['a form without a file', 'multipart/form-data; boundary=x', '--x--\r\n', 400],
    [
      'half a form',
      'multipart/form-data; boundary=x',
      '--x\r\ncontent-disposition: form-data; name="f"; filename="f"\r\n\r\nabc',
      400,
    ],
    ['a form without a boundary', 'multipart/form-data', 'abc', 400],
  ])('%s is answered with what was expected', async (_name, type, body, status) => {
    const id = await opened()
    const answer = await site.call('POST', `/api/v1/cases/${id}/files`, {
      token: crew,
      body,
      headers: { 'content-type': type },
    })
    expect([answer.status, answer.body]).toEqual([status, expect.objectContaining({ status })])
  })

  test('a form is no body anywhere else', async () => {
    const answer = await site.call('POST', '/api/v1/users', {
      token,
      body: '--x--\r\n',
      headers: { 'content-type': 'multipart/form-data; boundary=x' },
    })
    expect(answer.status).toBe(415)
  })
})

describe('who reads a file', () => {
  test('gets its bytes as something to save, which a browser does not run', async () => {
    const id = await opened()
    const video = mp4(1000)
    const { body } = await upload(id, video)
    const path = `${site.origin}/api/v1/cases/${id}/files/${body.id}`
    const get = async (range?: string) =>
      await fetch(path, {
        headers: { authorization: `Bearer ${crew}`, ...(range !== undefined && { range }) },
      })
    const whole = await get()
    expect(Buffer.from(await whole.arrayBuffer()).equals(video)).toBe(true)
    expect(Object.fromEntries(whole.headers)).toMatchObject({
      'content-type': 'video/mp4',
      'content-disposition': expect.stringMatching(/^attachment; filename="[\w.-]+\.mp4"$/) as string,
      'x-content-type-options': 'nosniff',
      'content-security-policy': "default-src 'none'; sandbox",
    })
    const piece = await get('bytes=4-7')
    expect([piece.status, await piece.text(), piece.headers.get('content-range')]).toEqual([
      206,
      'ftyp',
      `bytes 4-7/${video.byteLength}`,
    ])
    expect((await (await get('bytes=-10')).arrayBuffer()).byteLength).toBe(10)
    expect((await get(`bytes=${video.byteLength}-`)).status).toBe(416)
    expect((await get('bytes=0-1,4-5')).status).toBe(200)
  })

  test('is in the audit, once for all the pieces of one look', async () => {
    const id = await opened()
    const { body } = await upload(id, png(50))
    const before = reads().length
    for (let i = 0; i < 3; i++)
      await site.call('GET', `/api/v1/cases/${id}/files/${body.id}`, { token: crew })
    expect(reads().slice(0, reads().length - before)).toMatchObject([
      { actor: 'ma', subject: id, detail: `photo ${body.id}` },
    ])
  })
})

test('a start sweeps up what no case names, and nothing else', async () => {
  const id = await opened()
  const { body } = await upload(id, png(60))
  const folder = join(site.folder, 'evidence')
  const orphan = 'ab'.repeat(32)
  mkdirSync(join(folder, 'ab'), { recursive: true })
  writeFileSync(join(folder, 'ab', orphan), 'x')
  writeFileSync(join(folder, 'incoming', 'given-up'), 'x')
  await site.evidence.start()
  expect(existsSync(join(folder, 'ab', orphan))).toBe(false)
  expect(readdirSync(join(folder, 'incoming'))).toEqual([])
  expect(existsSync(join(folder, body.id.slice(0, 2), body.id))).toBe(true)
})

test('space that is used up is said so, and what the gateway freezes still finds room', async () => {
  const full = await new Site().start()
  try {
    await full.device(fume('fume-1', 'wenfeng'))
    const id = full.alarm({ device: 'fume-1' })!
    Object.assign(full.evidence.limits, { quotaBytes: 1000 })
    const freeze = async (size: number) =>
      await full.evidence.freeze(id, 'opened', [
        { kind: 'readings', received: await full.evidence.take(Buffer.alloc(size, 'x')) },
      ])
    expect(await freeze(950)).toBe(true)
    expect(full.evidence.refusal(id)).toMatchObject({ reason: 'evidence_full' })
    expect(await freeze(60)).toBe(false)
    expect(readdirSync(join(full.folder, 'evidence', 'incoming'))).toEqual([])
  } finally {
    await full.stop()
  }
})
