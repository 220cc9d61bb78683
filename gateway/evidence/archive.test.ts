import { mkdtempSync, openSync, closeSync, createReadStream, ftruncateSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { archiveOf } from './archive.ts'
import { EvidenceKey } from './evidence-key.ts'

const MIB = 1024 * 1024

let folder: string
let key: EvidenceKey
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'gridwhistle-archive-'))
  key = new EvidenceKey(join(folder, 'pki'))
  key.load()
})
afterAll(() => rmSync(folder, { recursive: true }))

test(
  'an export of 300 MiB takes the memory of a few chunks, however slowly it is read',
  { timeout: 60_000 },
  async () => {
    // Sparse: it costs no disk.
    const files = Array.from({ length: 6 }, (_, i) => join(folder, `${i}.mp4`))
    for (const file of files) {
      const handle = openSync(file, 'w')
      ftruncateSync(handle, 50 * MIB)
      closeSync(handle)
    }
    const archive = archiveOf({
      caseId: 'c',
      entries: 0,
      chainHead: '',
      at: 1_700_000_000_000,
      parts: files.map((file, i) => ({
        name: `files/${i}.mp4`,
        isPacked: true,
        open: () => createReadStream(file),
      })),
      key,
    })
    const before = process.memoryUsage().rss
    let most = before
    const look = () => (most = Math.max(most, process.memoryUsage().rss))
    let size = 0
    let stops = 0
    for await (const chunk of archive) {
      size += (chunk as Buffer).byteLength
      if (size < stops * 60 * MIB) continue
      // Who does not read on must not have it piled up.
      stops++
      await pause(200)
      look()
    }
    look()
    expect(size).toBeGreaterThan(300 * MIB)
    expect(stops).toBeGreaterThan(4)
    expect((most - before) / MIB).toBeLessThan(150)
  },
)
