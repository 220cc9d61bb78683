import { createHash } from 'node:crypto'
import { existsSync, readdirSync, readFileSync, watch, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { png } from '../../gateway/evidence/media.fixture.ts'
import { verifyCaseFile } from '../../gateway/evidence/verify.ts'
import type { Case } from '../../gateway/model/case.ts'
import { ADMIN_TOKEN, eventually, GatewayProcess } from '../gateway-process.ts'

const gateway = new GatewayProcess()
const vault = join(gateway.dataDir, 'evidence')
let id: string

beforeAll(async () => {
  await gateway.start()
  const place = { site: 'a', street: 'qinzao', grid: 'qinzao-001', position: [120.9, 32.1] }
  await gateway.api('POST', '/api/v1/devices', { id: 'fume-a', kind: 'cooking_fume', ...place })
  // Enough of them that freezing takes a while.
  const from = Date.now() - 600_000
  const readings = Array.from({ length: 6000 }, (_, i) => ({
    device: 'fume-a',
    ts: from + i * 100,
    metrics: { fume: 3, fan: true, purifier: true, temperature: i % 40 },
  }))
  for (let at = 0; at < readings.length; at += 500)
    await gateway.api('POST', '/api/v1/readings', readings.slice(at, at + 500))
  id = await eventually('the case', async () => {
    const { items } = await gateway.api<{ items: Case[] }>('GET', '/api/v1/cases')
    return items[0]?.id
  })
})
afterAll(() => gateway.dispose())

function registry<T>(work: (sql: DatabaseSync) => T): T {
  const sql = new DatabaseSync(join(gateway.dataDir, 'registry.db'))
  try {
    return work(sql)
  } finally {
    sql.close()
  }
}

/** Kills the gateway at the so-manyth change among the files of evidence that the work makes; true when it came to that. */
async function killedAt(change: number, work: () => Promise<unknown>): Promise<boolean> {
  let changes = 0
  let ended: Promise<unknown> | undefined
  const watcher = watch(vault, { recursive: true }, () => {
    if (++changes === change) ended = gateway.end('SIGKILL')
  })
  await work().catch(() => {})
  watcher.close()
  await ended
  return ended !== undefined
}

/** Files that a kill has left on their way in. */
function halvesThere(): number {
  return existsSync(join(vault, 'incoming')) ? readdirSync(join(vault, 'incoming')).length : 0
}

/** No row without its file, no file without its row, every file what its name says. */
function expectInOrder(): void {
  const rows = registry((sql) => sql.prepare('SELECT sha256 FROM case_evidence').all())
  const named = new Set(rows.map((row) => row['sha256']))
  expect(readdirSync(join(vault, 'incoming'))).toEqual([])
  const shelves = readdirSync(vault).filter((name) => name !== 'incoming')
  const there = shelves.flatMap((shelf) => readdirSync(join(vault, shelf)))
  expect(new Set(there)).toEqual(named)
  for (const name of there) {
    const bytes = readFileSync(join(vault, name.slice(0, 2), name))
    expect(createHash('sha256').update(bytes).digest('hex')).toBe(name)
  }
}

const timeline = async () => (await gateway.api<Case>('GET', `/api/v1/cases/${id}`)).timeline
const frozen = async () => (await timeline()).filter(({ action }) => action === 'evidence_frozen')

test(
  'a freeze that is killed, wherever it was, leaves nothing half, and is made again once',
  { timeout: 180_000 },
  async () => {
    await gateway.end('SIGTERM')
    let halves = 0
    for (const change of [5, 7, 9, 12]) {
      // As if the minute were over: it is made as soon as the gateway is up.
      const due = registry((sql) => sql.prepare('UPDATE case_captures SET due_at = 0').run().changes)
      if (due === 0) break
      const work = async () => {
        await gateway.start()
        await eventually('the freeze', async () => ((await frozen()).length > 0 ? true : undefined))
      }
      if (!(await killedAt(change, work))) await gateway.end('SIGKILL')
      halves += halvesThere()
    }
    expect(halves).toBeGreaterThanOrEqual(1)
    await gateway.start()
    await eventually('the freeze', async () => ((await frozen()).length > 0 ? true : undefined))
    expect(await frozen()).toMatchObject([{ note: 'opened' }])
    expectInOrder()
  },
)

test(
  'uploads that are killed, wherever they were, leave nothing half, and what was answered is there',
  { timeout: 180_000 },
  async () => {
    const answered: string[] = []
    const upload = async (seed: number) => {
      const body = new FormData()
      body.append('file', new Blob([new Uint8Array(png(seed, 64, 64))]), 'x.png')
      const response = await fetch(`http://127.0.0.1:${gateway.ports.http}/api/v1/cases/${id}/files`, {
        method: 'POST',
        headers: { authorization: `Bearer ${ADMIN_TOKEN}` },
        body,
      })
      if (response.status === 201) answered.push(((await response.json()) as { id: string }).id)
    }
    let halves = 0
    for (const change of [1, 4, 9]) {
      const work = () => Promise.allSettled([0, 1, 2, 3].map((i) => upload(change * 10 + i)))
      await killedAt(change, work)
      await gateway.end('SIGKILL')
      halves += halvesThere()
      await gateway.start()
      expectInOrder()
      const added = (await timeline()).flatMap(({ action, files }) =>
        action === 'evidence_added' ? files : [],
      )
      for (const file of answered) expect(added).toContain(file)
    }
    expect(halves).toBeGreaterThanOrEqual(1)
    await upload(1000)
    expect(answered.length).toBeGreaterThan(0)
    const file = join(gateway.dataDir, 'case.zip')
    const response = await gateway.request('GET', `/api/v1/cases/${id}/export`)
    writeFileSync(file, Buffer.from(await response.arrayBuffer()))
    expect(await verifyCaseFile(file)).toMatchObject({ intact: true, damage: [] })
  },
)
