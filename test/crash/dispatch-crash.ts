import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { uniformInt } from 'pure-rand/distribution/uniformInt'
import { xoroshiro128plus } from 'pure-rand/generator/xoroshiro128plus'
import { Receiver, verified } from '../../gateway/dispatch/announce/receiver.fixture.ts'
import { all, register } from '../device.ts'
import { eventually, GatewayProcess } from '../gateway-process.ts'

/**
 * Kills the gateway (−9) again and again in an alarm storm, while cases are closed and the receivers of announcements
 * go down and come up. What must be there afterwards is known from here: every reading that was sent, and every
 * announcement that a receiver has taken, its signature checked.
 */
export interface DispatchCrashReport {
  readonly kills: number
  readonly readings: number
  readonly alarms: number
  /** Alarms that should be there and are not, and the other way round. */
  readonly alarmsMissing: number
  readonly alarmsUnexpected: number
  readonly alarmsWithoutCase: number
  readonly cases: number
  /** Sites with more than one open case of the family. */
  readonly sitesWithSeveral: number
  readonly announcements: number
  /** Cases whose opening, or whose end, the webhook was never told. */
  readonly openingsUntold: number
  readonly endsUntold: number
  /** Announcements that came again, and the most of them after any one kill. */
  readonly doubled: number
  readonly doubledAfterOneKill: number
  readonly wrongSignatures: number
  /** Messages that the robot got, and the most within a minute; it allows twenty. */
  readonly robotMessages: number
  readonly robotWithinMinute: number
  readonly deadLetters: number
}

const DEVICES = 16
/** Two devices each: their alarms share a case. */
const SITES = 8
const SECRET = 'whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw'
const OVER = 9
const UNDER = 0.5

/** Goes under the limit and over it, a reading at a time, and sends each until it is acknowledged. */
class Flicker {
  readonly id: string
  readonly sent: { readonly ts: number; readonly fume: number }[] = []
  #acknowledged = 0
  #ts = 0
  #running: Promise<void> | undefined
  #isOn = false

  constructor(id: string) {
    this.id = id
  }

  start(gateway: GatewayProcess, everyMs: number): void {
    this.#isOn = true
    this.#running = this.#run(gateway, everyMs)
  }

  async stop(): Promise<void> {
    this.#isOn = false
    await this.#running
  }

  async #run(gateway: GatewayProcess, everyMs: number): Promise<void> {
    try {
      while (this.#isOn) {
        this.#next()
        await this.flush(gateway)
        await sleep(everyMs)
      }
    } catch {
      // The gateway was killed; what it did not acknowledge is sent again to the next one.
    }
  }

  #next(): void {
    for (const fume of [UNDER, OVER]) {
      this.#ts = Math.max(this.#ts + 1, Date.now())
      this.sent.push({ ts: this.#ts, fume })
    }
  }

  async flush(gateway: GatewayProcess): Promise<void> {
    const waiting = this.sent.slice(this.#acknowledged)
    if (waiting.length === 0) return
    await gateway.api(
      'POST',
      '/api/v1/readings',
      waiting.map(({ ts, fume }) => ({ device: this.id, ts, metrics: { fume, fan: true } })),
    )
    this.#acknowledged += waiting.length
  }

  /** Starts of the alarms that the rule of rules/fume.yaml must have given: each reading over the limit is one. */
  expected(): string[] {
    return this.sent.filter(({ fume }) => fume === OVER).map(({ ts }) => `${this.id} ${ts}`)
  }
}

/** Takes note of what it has taken, and of what it had before. */
class Ear {
  readonly receiver = new Receiver()
  readonly subjects = new Map<string, Set<string>>()
  readonly doubledAfter = new Map<number, number>()
  readonly taken = new Map<string, number>()
  wrongSignatures = 0
  #kills = 0

  constructor() {
    this.up()
  }

  killed(): void {
    this.#kills += 1
  }

  up(): void {
    this.receiver.reply = (response, received) => {
      let event: ReturnType<typeof verified>
      try {
        event = verified(received, SECRET)
      } catch {
        this.wrongSignatures += 1
        response.writeHead(401).end()
        return
      }
      const before = this.taken.get(event.id) ?? 0
      this.taken.set(event.id, before + 1)
      if (before > 0) this.doubledAfter.set(this.#kills, (this.doubledAfter.get(this.#kills) ?? 0) + 1)
      const kind = event.type.split('.').at(-1)!
      const subjects = this.subjects.get(kind) ?? new Set()
      this.subjects.set(kind, subjects.add(event.subject))
      response.end()
    }
  }

  down(how: number): void {
    this.receiver.reply = (response) => {
      if (how === 0) response.writeHead(503).end()
      else if (how === 1) response.socket?.destroy()
      // Never answered: what it has not taken, it must get again.
    }
  }
}

export async function dispatchCrash(options: {
  kills: number
  seed: number
  onKill?: (kill: number) => void
}): Promise<DispatchCrashReport> {
  const random = xoroshiro128plus(options.seed)
  const gateway = new GatewayProcess({
    GW_RULES_DIR: fileURLToPath(new URL('rules', import.meta.url)),
    GW_ANNOUNCE_ALLOW_ADDRESSES: '[127.0.0.0/8]',
    GW_ANNOUNCE_ALLOW_HTTP: 'true',
  })
  const ear = new Ear()
  const robot = new Receiver()
  const robotAt: number[] = []
  robot.reply = (response) => {
    robotAt.push(Date.now())
    response.end('{"errcode":0,"errmsg":"ok"}')
  }
  try {
    await ear.receiver.start()
    await robot.start()
    await gateway.start()
    const subscription = await gateway.api<{ id: string }>('POST', '/api/v1/subscriptions', {
      type: 'webhook',
      url: `${ear.receiver.url}/hook`,
      secret: SECRET,
    })
    await gateway.api('POST', '/api/v1/subscriptions', { type: 'wecom', url: `${robot.url}/send?key=K` })
    const devices: Flicker[] = []
    for (let index = 0; index < DEVICES; index++) {
      const id = `flicker-${index}`
      await register(gateway, { id, site: `site-${index % SITES}` })
      devices.push(new Flicker(id))
    }
    /** What waits for the webhook is tried at once, as when somebody has mended it and says so. */
    const hurry = () => gateway.api('PATCH', `/api/v1/subscriptions/${subscription.id}`, { language: 'zh' })

    for (let kill = 1; kill <= options.kills; kill++) {
      for (const device of devices) device.start(gateway, uniformInt(random, 10, 60))
      const isOver = Date.now() + uniformInt(random, 100, 600)
      const closing = closeSome(gateway, isOver)
      const weather = changeReceiver(ear, random, isOver, hurry)
      await sleep(isOver - Date.now())
      await gateway.end('SIGKILL')
      ear.killed()
      await Promise.all([closing, weather, ...devices.map(async (device) => device.stop())])
      await gateway.start()
      options.onKill?.(kill)
    }
    ear.up()
    for (const device of devices) await device.flush(gateway)
    await eventually('everything judged', async () => {
      const { text } = await metrics(gateway)
      return /gridwhistle_consumer_lag_readings\{consumer="rules"\} 0\b/.test(text) ? true : undefined
    })
    await hurry()
    const standing = async () =>
      (
        await gateway.api<{ items: { type: string; deliveries: { open: number; dead: number } }[] }>(
          'GET',
          '/api/v1/subscriptions',
        )
      ).items
    const cases = await all<{ id: string; site: string; state: string }>(gateway, '/api/v1/cases')
    const untold = (kind: string, ids: readonly string[]) =>
      ids.filter((id) => ear.subjects.get(kind)?.has(id) !== true).length
    const opened = cases.map(({ id }) => id)
    const ended = cases.filter(({ state }) => state === 'void').map(({ id }) => id)
    await eventually(
      'every case announced',
      () => (untold('opened', opened) + untold('closed', ended) === 0 ? true : undefined),
      60_000,
    ).catch(() => {})
    // What would come twice comes about now.
    await sleep(300)
    const alarms = (
      await all<{ device: string; startedAt: number; state: string; case: string | null }>(
        gateway,
        '/api/v1/alarms',
      )
    ).filter(({ state }) => state !== 'withdrawn')
    const expected = new Set(devices.flatMap((device) => device.expected()))
    const found = alarms.map(({ device, startedAt }) => `${device} ${startedAt}`)
    const openSites = cases.filter(({ state }) => state !== 'void').map(({ site }) => site)
    return {
      kills: options.kills,
      readings: devices.reduce((sum, { sent }) => sum + sent.length, 0),
      alarms: found.length,
      alarmsMissing: [...expected].filter((alarm) => !found.includes(alarm)).length,
      alarmsUnexpected:
        found.filter((alarm) => !expected.has(alarm)).length + found.length - new Set(found).size,
      alarmsWithoutCase: alarms.filter((alarm) => alarm.case === null).length,
      cases: cases.length,
      sitesWithSeveral: openSites.length - new Set(openSites).size,
      announcements: ear.taken.size,
      openingsUntold: untold('opened', opened),
      endsUntold: untold('closed', ended),
      doubled: [...ear.taken.values()].reduce((sum, times) => sum + times - 1, 0),
      doubledAfterOneKill: Math.max(0, ...ear.doubledAfter.values()),
      wrongSignatures: ear.wrongSignatures,
      robotMessages: robotAt.length,
      robotWithinMinute: Math.max(
        0,
        ...robotAt.map((at) => robotAt.filter((other) => other >= at && other < at + 60_000).length),
      ),
      deadLetters: (await standing()).reduce((sum, { deliveries }) => sum + deliveries.dead, 0),
    }
  } finally {
    await gateway.dispose()
    await ear.receiver.stop()
    await robot.stop()
  }
}

/** Somebody takes cases off the books, so that alarms that fire again open new ones. */
async function closeSome(gateway: GatewayProcess, until: number): Promise<void> {
  try {
    while (Date.now() < until) {
      const { items } = await gateway.api<{ items: { id: string }[] }>(
        'GET',
        '/api/v1/cases?open=true&limit=3',
      )
      for (const { id } of items)
        await gateway.api('POST', `/api/v1/cases/${id}/actions`, {
          action: 'void',
          note: 'storm',
          actionId: 'once',
        })
      await sleep(20)
    }
  } catch {
    // Killed, or the case had another state by then.
  }
}

async function changeReceiver(
  ear: Ear,
  random: Parameters<typeof uniformInt>[0],
  until: number,
  hurry: () => Promise<unknown>,
): Promise<void> {
  while (Date.now() < until) {
    if (uniformInt(random, 0, 2) === 0) ear.down(uniformInt(random, 0, 2))
    else {
      ear.up()
      await hurry().catch(() => {})
    }
    await sleep(uniformInt(random, 20, 120))
  }
  ear.up()
}

async function metrics(gateway: GatewayProcess): Promise<{ text: string }> {
  return { text: await (await gateway.request('GET', '/metrics')).text() }
}
