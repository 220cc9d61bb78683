/**
 * The whole gateway on a disk that is full: a small file system of its own, which takes the right to mount one.
 * Not acknowledged, said so, and well again by itself: these three.
 */
import { execFileSync } from 'node:child_process'
import { closeSync, openSync, rmSync, statfsSync, writeSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { all, ledgerOf, pointsOf, register, signIn } from '../device.ts'
import { eventually, GatewayProcess } from '../gateway-process.ts'

const SIZE = '24m'
const rules = fileURLToPath(new URL('../crash/rules', import.meta.url))
const gateway = new GatewayProcess({ GW_RULES_DIR: rules })
const folder = gateway.dataDir
const isMounted = mount()
if (!isMounted) console.warn('full-disk: no right to mount a file system here, skipped')

beforeAll(async () => {
  if (isMounted) await gateway.start()
})
afterAll(async () => {
  await gateway.end('SIGKILL')
  if (isMounted) execFileSync('umount', [folder])
  await gateway.dispose()
})

function mount(): boolean {
  try {
    execFileSync('mount', ['-t', 'tmpfs', '-o', `size=${SIZE}`, 'tmpfs', folder], { stdio: 'ignore' })
    return true
  } catch {
    return false
  }
}

const filler = join(folder, 'filler')

/** Takes all the room there is. */
function fill(): void {
  const file = openSync(filler, 'a')
  try {
    for (const size of [1 << 20, 4096]) {
      const block = Buffer.alloc(size)
      try {
        while (statfsSync(folder).bavail > 0) writeSync(file, block)
      } catch (error) {
        expect((error as NodeJS.ErrnoException).code).toBe('ENOSPC')
      }
    }
  } finally {
    closeSync(file)
  }
}

/** A device with what it was promised: a reading enters `acknowledged` with its PUBACK and not before. */
class Sender {
  readonly id = 'kitchen'
  readonly acknowledged = new Map<number, number>()
  readonly unanswered = new Map<number, number>()
  readonly #secret: string
  #ts = Date.now() - 600_000

  constructor(secret: string) {
    this.#secret = secret
  }

  /** Sends new readings, over the limit in every other stretch of ten. */
  async send(count: number): Promise<void> {
    for (let i = 0; i < count; i++) {
      this.#ts += 10
      this.unanswered.set(this.#ts, Math.floor(this.#ts / 100) % 2 === 0 ? 8 : 0.5)
    }
    await this.resend()
  }

  /** Once more all that was not acknowledged; answers whether anything was. */
  async resend(): Promise<boolean> {
    const before = this.acknowledged.size
    const client = await signIn(gateway, this.id, this.#secret).catch(() => undefined)
    if (client === undefined) return false
    const gone = new Promise<void>((resolve) => client.once('close', () => resolve()))
    const answers = [...this.unanswered].map(
      ([ts, fume]) =>
        new Promise<void>((resolve) => {
          const payload = JSON.stringify({ ts, metrics: { fume } })
          client.publish(`v1/${this.id}/readings`, payload, { qos: 1 }, (error) => {
            if (error === undefined || error === null) {
              this.acknowledged.set(ts, fume)
              this.unanswered.delete(ts)
            }
            resolve()
          })
        }),
    )
    await Promise.race([Promise.all(answers), gone, sleep(5_000)])
    client.end(true)
    return this.acknowledged.size > before
  }
}

const readiness = async () => {
  const response = await fetch(`http://127.0.0.1:${gateway.ports.http}/readyz`)
  const { parts } = (await response.json()) as { parts: Record<string, { ready: boolean; detail: string }> }
  return { status: response.status, parts }
}

test.skipIf(!isMounted)(
  'on a full disk nothing is acknowledged and readiness says why; with room again all goes on, nothing lost',
  async () => {
    const sender = new Sender(await register(gateway, { id: 'kitchen' }))
    await sender.send(200)
    expect(sender.unanswered.size).toBe(0)
    const pid = gateway.pid

    for (let round = 0; round < 2; round++) {
      fill()
      // What is left in files that are there already may take some more: promised is promised.
      await eventually('nothing is acknowledged any more', async () => {
        fill()
        await sender.send(20)
        return sender.unanswered.size >= 200 ? true : undefined
      })
      for (let attempt = 0; attempt < 5; attempt++) expect(await sender.resend()).toBe(false)
      const full = await readiness()
      expect(full.status).toBe(503)
      expect(full.parts['journal']).toMatchObject({
        ready: false,
        detail: expect.stringMatching(/disk is full/),
      })
      const body = [{ device: 'kitchen', metrics: { fume: 1 } }]
      const answer = await gateway.request('POST', '/api/v1/readings', body)
      expect([answer.status, await answer.json()]).toMatchObject([503, { code: 'journal_unavailable' }])
      const registering = await gateway.request('POST', '/api/v1/devices', {
        id: `late-${round}`,
        kind: 'cooking_fume',
        site: 'x'.repeat(60),
        street: 'tangzhazhen',
        grid: 'tangzhazhen-001',
      })
      expect([registering.status, await registering.json()]).toMatchObject([
        503,
        { code: 'registry_unavailable' },
      ])
      expect((await fetch(`http://127.0.0.1:${gateway.ports.http}/healthz`)).status).toBe(200)

      rmSync(filler)
      await eventually('ready again', async () => ((await readiness()).status === 200 ? true : undefined))
      await eventually('all acknowledged', async () => {
        await sender.resend()
        return sender.unanswered.size === 0 ? true : undefined
      })
    }

    expect(gateway.pid).toBe(pid)
    const ledger = await eventually('all stored', async () => {
      const now = await ledgerOf(gateway)
      return now.pending === 0 ? now : undefined
    })
    expect(ledger.accepted).toBe(sender.acknowledged.size)
    expect(ledger.received).toBe(ledger.accepted + ledger.duplicates + ledger.quarantined)
    expect(ledger.quarantined).toBe(0)
    expect(new Map(await pointsOf(gateway, 'kitchen', 'fume'))).toEqual(
      new Map([...sender.acknowledged].sort(([a], [b]) => a - b)),
    )
    const history = [...sender.acknowledged].sort(([a], [b]) => a - b).map(([, fume]) => fume > 2)
    const starts = history.filter((over, at) => over && history[at - 1] !== true).length
    const alarms = await eventually('every alarm', async () => {
      const found = await all<{ case: string | null; state: string }>(gateway, '/api/v1/alarms')
      const standing = found.filter(({ state }) => state !== 'withdrawn')
      return standing.length === starts ? standing : undefined
    })
    expect(alarms.filter((alarm) => alarm.case === null)).toEqual([])
    expect(await all(gateway, '/api/v1/cases')).toHaveLength(1)
    expect(await gateway.end('SIGTERM')).toBe(0)
  },
  60_000,
)

test.skipIf(!isMounted)(
  'on a full disk a stop still ends with 0, and a start says what is wrong',
  async () => {
    await gateway.end('SIGTERM')
    await gateway.start()
    fill()
    expect(await gateway.end('SIGTERM')).toBe(0)
    fill()
    await expect(gateway.start()).rejects.toThrow(/\ngridwhistle: .*disk may be full.*\n$/)
    rmSync(filler)
    await gateway.start()
    expect((await readiness()).status).toBe(200)
  },
)
