import { setTimeout as sleep } from 'node:timers/promises'
import { deviceIds, Fleet, type Protocol, registration } from './load/fleet.ts'
import type { Qos } from './load/frames.ts'
import { type Latency, LatencyGauge } from './load/gauge.ts'
import type { Lane, LaneListener } from './load/lane.ts'
import { type LedgerChange, LedgerWatch } from './load/ledger.ts'
import { QUIET_KITCHEN, readingsPayload } from './load/payload.ts'
import { Probe, type ProbeOptions, type ProbeResult } from './load/probe.ts'
import { verify, type Verified } from './load/verification.ts'
import { MESSAGE_LIMIT } from './reading.ts'
import { registerDevices } from './registration.ts'
import { Secrets } from './secrets.ts'
import { WrongUsage } from './wrong-usage.ts'

export interface LoadOptions {
  readonly protocol: Protocol
  /** Of MQTT, 1 when absent. At 0 nothing is acknowledged: what arrived, the ledger alone knows. */
  readonly qos?: Qos
  /** mqtt://host:port */
  readonly mqttUrl: string
  /** http://host:port: for registering, the ledger, and protocol `http`. */
  readonly httpUrl: string
  /** tcp://host:port, for protocol `hj212`. */
  readonly hj212Url: string
  /** Registers the devices; without it they sign in with known secrets or, without any, anonymously. */
  readonly token?: string
  readonly secrets?: Secrets
  /** One pattern for every secret, `{device}` filled in. */
  readonly secretOf?: string
  readonly devicePrefix: string
  readonly devices: number
  /** Where a device publishes, `{device}` filled in. */
  readonly topic: string
  /**
   * Open loop: readings a second in all, on a fixed schedule that does not wait for the gateway. Closed loop
   * when absent: each device keeps `inFlight` messages under way, the next one as soon as one is acknowledged.
   */
  readonly rate?: number
  readonly inFlight: number
  readonly batch: number
  /** ms */
  readonly duration: number
  /** How long the last acknowledgements are waited for, ms. */
  readonly drain: number
  readonly probe?: ProbeOptions
  /** Reads everything back at the end. */
  readonly verify?: boolean
  readonly signal?: AbortSignal
  readonly onProgress?: (phase: LoadPhase, done: number, of: number) => void
}

export type LoadPhase = 'register' | 'connect' | 'load' | 'drain' | 'verify'

/** Readings unless it says messages; milliseconds; rates are per second. */
export interface LoadResult {
  readonly protocol: Protocol
  readonly qos: Qos | null
  readonly mode: 'open' | 'closed'
  readonly devices: number
  readonly inFlight: number
  readonly batch: number
  readonly bytesPerReading: number
  /** What the schedule or the loop asked for, what of it went out, what was acknowledged, what was not. */
  readonly offered: number
  readonly sent: number
  readonly acked: number
  readonly unacked: number
  /** Acknowledged (at QoS 0: sent) readings a second, from the first message to the last acknowledgement. */
  readonly rate: number
  readonly seconds: number
  /** When the first message was due, epoch ms. */
  readonly startedAt: number
  /** From the moment a message should have gone out to its acknowledgement. */
  readonly latency: Latency | null
  readonly errors: number
  readonly firstError: string | null
  /** Of this process while it loaded; a share of 1 is one core. */
  readonly cpu: {
    readonly seconds: number
    readonly share: number
    readonly microsecondsPerReading: number | null
  }
  readonly probe: ProbeResult | null
  /** What the gateway counted meanwhile, probes and other senders included; null without a token. */
  readonly ledger: LedgerChange | null
  /** Sent and not received by the ledger's account; null without it. */
  readonly lost: number | null
  readonly verified: Verified | null
  /**
   * Every reading offered went out, was acknowledged (at QoS 0: received), and is where it should be; every probe was
   * answered; nothing went wrong.
   */
  readonly complete: boolean
}

/**
 * One process holds so many connections at most: Linux gives it 28,000 local ports towards one address, and
 * often no more than 20,000 open files. For more, start another one with another `devicePrefix`.
 */
export const DEVICE_LIMIT = 19_500
/** Messages of one device that an open loop lets wait for acknowledgement; beyond it they queue in here. */
const OPEN_LOOP_SLOTS = 1000
/** The gateway keeps no more than 100 of a client at QoS 2. */
const QOS2_SLOTS = 50
/** Connections of one device over HTTP, one for each message under way. */
const HTTP_SLOTS = 8

/** Loads a gateway and keeps account of every reading. Rejects when devices cannot be registered or connected. */
export async function load(options: LoadOptions): Promise<LoadResult> {
  check(options)
  const run = new LoadRun(options)
  try {
    await run.prepare()
    return await run.measure()
  } finally {
    await run.close()
  }
}

function check(options: LoadOptions): void {
  const { protocol, qos = 1, devices, batch, inFlight, rate, probe, token } = options
  const least = probe === undefined || rate !== undefined ? 1 : 0
  if (!(devices >= least && devices <= DEVICE_LIMIT)) {
    throw new WrongUsage(`devices must be ${least} to ${DEVICE_LIMIT}, not ${devices}`)
  }
  if (!(batch >= 1 && batch <= MESSAGE_LIMIT)) {
    throw new WrongUsage(`batch must be 1 to ${MESSAGE_LIMIT}, not ${batch}`)
  }
  if (protocol === 'hj212' && batch > 1)
    throw new WrongUsage('batch must be 1: a frame of HJ 212 has one time')
  // A packet id has 16 bits, and is not 0 [MQTT-2.3.1-1].
  if (!(inFlight >= 1 && inFlight <= 65_535)) {
    throw new WrongUsage(`in-flight must be 1 to 65535, not ${inFlight}`)
  }
  if (qos === 0 && rate === undefined) {
    throw new WrongUsage('at QoS 0 nothing is acknowledged that a closed loop could wait for: give a rate')
  }
  if (qos === 2 && inFlight > QOS2_SLOTS) throw new WrongUsage(`in-flight is at most ${QOS2_SLOTS} at QoS 2`)
  if (options.verify === true && token === undefined) throw new WrongUsage('verifying needs a token')
  if (rate !== undefined && !(rate > 0 && rate <= 10_000_000)) {
    throw new WrongUsage(`rate must be above 0 and at most 10000000, not ${rate}`)
  }
}

class LoadRun implements LaneListener {
  readonly #options: LoadOptions
  readonly #secrets: Secrets
  readonly #gauge = new LatencyGauge()
  readonly #probe: Probe | undefined
  readonly #probeLanes: Lane[] = []
  readonly #ledger: LedgerWatch | undefined
  readonly #qos: Qos
  /** Messages by device. */
  readonly #sentBy = new Map<string, number>()
  #acceptedBefore = 0
  #lanes: Lane[] = []
  #running = false
  /** Messages, all four. */
  #offered = 0
  #sent = 0
  #acked = 0
  #errors = 0
  #firstError: string | null = null
  #ended = 0
  #lastAck = 0

  constructor(options: LoadOptions) {
    this.#options = options
    this.#secrets = options.secrets ?? new Secrets()
    this.#qos = options.qos ?? 1
    if (options.token !== undefined) this.#ledger = new LedgerWatch(options.httpUrl, options.token)
    if (options.probe !== undefined) {
      this.#probe = new Probe(options.probe, options.mqttUrl, `${options.devicePrefix}probe-`)
    }
  }

  async prepare(): Promise<void> {
    const { protocol, devicePrefix, devices, batch, secretOf, token, httpUrl, signal, onProgress } =
      this.#options
    const ids = deviceIds(devicePrefix, devices)
    const all = [...ids, ...(this.#probe?.ids ?? [])]
    if (secretOf !== undefined) {
      for (const device of all) this.#secrets.set(device, secretOf.replaceAll('{device}', device))
    }
    if (token !== undefined) {
      await registerDevices(
        all.map((id) => registration(id, protocol)),
        this.#secrets,
        { httpUrl, token, ...(signal && { signal }) },
        (done) => onProgress?.('register', done, all.length),
      )
    }
    const { inFlight, rate } = this.#options
    const openLoopSlots = protocol === 'http' ? HTTP_SLOTS : this.#qos === 2 ? QOS2_SLOTS : OPEN_LOOP_SLOTS
    const slots = rate === undefined ? inFlight : openLoopSlots
    const fleet = new Fleet({ ...this.#options, qos: this.#qos, secrets: this.#secrets, slots })
    this.#lanes = ids.map((device) => fleet.lane(device, QUIET_KITCHEN, batch, this))
    for (const device of this.#probe?.ids ?? []) {
      this.#probeLanes.push(fleet.lane(device, this.#probe!.metrics, 1, UNCOUNTED))
    }
    await this.#probe?.open()
    const lanes = [...this.#lanes, ...this.#probeLanes]
    await fleet.open(lanes, (done) => onProgress?.('connect', done, lanes.length), signal)
    this.#acceptedBefore = (await this.#ledger?.start()) ?? 0
  }

  async measure(): Promise<LoadResult> {
    const { duration, rate, inFlight, onProgress, signal } = this.#options
    const since = Date.now()
    const cpuBefore = process.cpuUsage()
    const startedAt = performance.now()
    this.#lastAck = startedAt
    this.#running = true
    if (rate === undefined) {
      for (const lane of this.#lanes) {
        for (let slot = 0; slot < inFlight; slot++) this.#offer(lane, startedAt)
      }
    }
    while (this.#running) {
      // As fine as timers get. What is due meanwhile goes out late, and its latency says so.
      await sleep(1)
      const elapsed = Math.min(duration, performance.now() - startedAt)
      // Of the probes half go before what is due now and half behind it: at a random moment it would be either.
      const isFirst = Math.random() < 0.5
      if (isFirst) this.#trip(elapsed / duration)
      if (rate !== undefined) this.#keepSchedule(rate, startedAt, elapsed)
      if (!isFirst) this.#trip(elapsed / duration)
      onProgress?.('load', elapsed, duration)
      if (elapsed >= duration || signal?.aborted === true || this.#allEnded) this.#running = false
    }
    await this.#drained()
    const cpu = process.cpuUsage(cpuBefore)
    const tripped = this.#probe?.tripped ?? 0
    const ledger = (await this.#ledger?.change(this.#sent * this.#options.batch + tripped)) ?? null
    const verified = await this.#verified(since)
    return this.#result(startedAt, cpu, ledger, verified)
  }

  async close(): Promise<void> {
    for (const lane of [...this.#lanes, ...this.#probeLanes]) lane.close()
    await this.#probe?.close()
  }

  onSent({ device }: Lane): void {
    this.#sent++
    this.#sentBy.set(device, (this.#sentBy.get(device) ?? 0) + 1)
    // The last thing that is heard of a message that nobody acknowledges.
    if (this.#qos === 0) this.#lastAck = performance.now()
  }

  onAcked(lane: Lane, latency: number): void {
    this.#acked++
    this.#gauge.record(latency)
    this.#lastAck = performance.now()
    this.#again(lane)
  }

  onError(lane: Lane, reason: string): void {
    this.#errors++
    this.#firstError ??= reason
    if (lane.ended) this.#ended++
    else this.#again(lane)
  }

  get #allEnded(): boolean {
    return this.#lanes.length > 0 && this.#ended >= this.#lanes.length
  }

  #offer(lane: Lane, intendedAt: number): void {
    this.#offered++
    lane.offer(intendedAt)
  }

  #again(lane: Lane): void {
    if (this.#running && this.#options.rate === undefined) this.#offer(lane, performance.now())
  }

  /** Offers every message whose moment has come, each device in its turn. */
  #keepSchedule(rate: number, startedAt: number, elapsed: number): void {
    const perMs = rate / this.#options.batch / 1000
    const due = Math.ceil(elapsed * perMs)
    while (this.#offered < due) {
      this.#offer(this.#lanes[this.#offered % this.#lanes.length]!, startedAt + this.#offered / perMs)
    }
  }

  /** Trips the probes at even intervals, none of them at the very beginning or end. */
  #trip(share: number): void {
    const probe = this.#probe
    if (probe === undefined) return
    const due = Math.min(probe.ids.length, Math.floor((probe.ids.length + 1) * share))
    while (probe.tripped < due) {
      const lane = this.#probeLanes[probe.tripped]!
      probe.trip(() => lane.offer(performance.now()))
    }
  }

  async #drained(): Promise<void> {
    const until = performance.now() + this.#options.drain
    while (!this.#complete && !this.#allEnded && performance.now() < until) {
      this.#options.onProgress?.('drain', this.#acked, this.#offered)
      await sleep(20)
    }
  }

  get #complete(): boolean {
    const done = this.#qos === 0 ? this.#sent : this.#acked
    return done === this.#offered && (this.#probe?.answered ?? true)
  }

  async #verified(since: number): Promise<Verified | null> {
    const { httpUrl, token, batch, onProgress } = this.#options
    if (this.#options.verify !== true) return null
    onProgress?.('verify', 0, 1)
    await this.#ledger!.stored()
    const sent = new Map([...this.#sentBy].map(([device, messages]) => [device, messages * batch]))
    return await verify({ httpUrl, token: token!, sent, metric: 'fume', since, from: this.#acceptedBefore })
  }

  #result(
    startedAt: number,
    cpu: NodeJS.CpuUsage,
    ledger: LedgerChange | null,
    verified: Verified | null,
  ): LoadResult {
    const { protocol, rate, devices, inFlight, batch } = this.#options
    const acked = this.#acked * batch
    const sent = this.#sent * batch
    // At QoS 0 nobody says what was taken in while it is.
    const taken = this.#qos === 0 ? sent : acked
    const lost = ledger && Math.max(0, sent + (this.#probe?.tripped ?? 0) - ledger.received)
    const isWhole = (lost ?? 0) === 0 && (verified === null || isThere(verified, sent))
    const seconds = Math.max(1, this.#lastAck - startedAt) / 1000
    const busy = (cpu.user + cpu.system) / 1e6
    return {
      protocol,
      qos: protocol === 'mqtt' ? this.#qos : null,
      mode: rate === undefined ? 'closed' : 'open',
      devices,
      inFlight,
      batch,
      bytesPerReading: readingsPayload(QUIET_KITCHEN, 1).bytes.length,
      offered: this.#offered * batch,
      sent,
      acked,
      unacked: this.#qos === 0 ? 0 : sent - acked,
      rate: Math.round(taken / seconds),
      seconds: round(seconds),
      startedAt: Math.round(performance.timeOrigin + startedAt),
      latency: this.#gauge.read(),
      errors: this.#errors,
      firstError: this.#firstError,
      cpu: {
        seconds: round(busy),
        share: round(busy / seconds),
        microsecondsPerReading: taken === 0 ? null : round((busy / taken) * 1e6),
      },
      probe: this.#probe?.result() ?? null,
      ledger,
      lost,
      verified,
      complete: this.#errors === 0 && this.#complete && isWhole,
    }
  }
}

/** Probes are not part of the load's account. */
const UNCOUNTED: LaneListener = { onSent: () => {}, onAcked: () => {}, onError: () => {} }

function isThere({ missing, surplus, disordered, inHistorian }: Verified, sent: number): boolean {
  return missing === 0 && surplus === 0 && disordered === 0 && inHistorian === sent
}

function round(value: number): number {
  return Math.round(value * 1000) / 1000
}
