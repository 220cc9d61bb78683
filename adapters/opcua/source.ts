import type { Clock } from '../../gateway/model/clock.ts'
import type { DeviceDirectory } from '../../gateway/model/device.ts'
import type { Kinds } from '../../gateway/model/kind.ts'
import { JournalUnavailable, type Health, type Intake, type Part } from '../../gateway/model/pipeline.ts'
import { RAW_LIMIT, type Refusal } from '../../gateway/model/reading.ts'
import { bindingOf } from './binding.ts'
import { Samples, type MarkedReading, type Sample } from './codec.ts'
import type { Endpoint, Link, LinkListener, Watched } from './link.ts'
import type { Pki } from './pki.ts'
import { mismatch } from './units.ts'

export interface OpcuaParts {
  readonly devices: Pick<DeviceDirectory, 'get' | 'all'>
  readonly kinds: Kinds
  readonly intake: Intake
  /** Into the quarantine, for what never reaches the intake. */
  readonly refuse: (refusal: Refusal) => Promise<void>
  /** Folder for our key and for whom we trust. */
  readonly pkiDir: string
  readonly clock: Clock
  readonly log: {
    info(bindings: object, message: string): void
    warn(bindings: object, message: string): void
    debug(bindings: object, message: string): void
  }
}

/** Devices often change together: an import, a start. ms */
const SETTLE = 200
/** Readings that wait for the disk before the oldest are given up. */
const WAITING_LIMIT = 20_000
/** Pause before the disk is tried again, ms. */
const DISK_PAUSE = 500
/** Problems that the readiness page names. */
const PROBLEMS_SHOWN = 5

interface Connection {
  /** What it was made from: a change makes a new one. */
  readonly plan: string
  readonly link: Link
}

/**
 * Keeps a connection to each server that a device's `protocols.opcua` names, and none besides. OPC UA has no
 * acknowledgement that could wait for the disk: the client acknowledges a publication on arrival. What the disk
 * does not take at once is kept here and tried again; what a kill takes away is the last half second.
 *
 * When a connection ends, each of its devices gets a reading of its last values with mark B; the next good values
 * end the gap.
 */
export class OpcuaSource implements Part {
  readonly #parts: OpcuaParts
  readonly #connections = new Map<string, Connection>()
  readonly #samples = new Map<string, Samples>()
  /** Problems by device and metric. */
  readonly #problems = new Map<string, string>()
  readonly #waiting: { readonly device: string; readonly readings: MarkedReading[]; receivedAt: number }[] =
    []
  #waitingReadings = 0
  #givenUp = 0
  #writing: Promise<void> | undefined
  #settling: NodeJS.Timeout | undefined
  #changing: Promise<void> = Promise.resolve()
  #pki: Pki | undefined
  #isStopping = false

  constructor(parts: OpcuaParts) {
    this.#parts = parts
  }

  async start(): Promise<void> {
    this.#change()
  }

  async stop(): Promise<void> {
    this.#isStopping = true
    clearTimeout(this.#settling)
    await this.#changing
    await Promise.all([...this.#connections.values()].map(({ link }) => link.stop()))
    this.#connections.clear()
    await this.#writing
    await this.#pki?.stop()
  }

  /** To be told of every change of a device. */
  deviceChanged(): void {
    if (this.#isStopping) return
    clearTimeout(this.#settling)
    this.#settling = setTimeout(() => this.#change(), SETTLE)
  }

  health(): Health {
    const links = [...this.#connections.values()].map(({ link }) => link.health())
    if (links.length === 0) return { ready: true, detail: 'no device is bound' }
    const problems = [...this.#problems].map(([where, problem]) => `${where}: ${problem}`)
    const more = problems.length - PROBLEMS_SHOWN
    const detail = [
      ...links.map(({ detail }) => detail),
      ...problems.slice(0, PROBLEMS_SHOWN),
      ...(more > 0 ? [`${more} more problems`] : []),
      ...(this.#givenUp > 0 ? [`${this.#givenUp} readings given up for the disk`] : []),
    ].join('; ')
    return { ready: links.every(({ ready }) => ready) && problems.length === 0, detail }
  }

  #change(): void {
    this.#changing = this.#changing
      .then(() => this.#connect())
      .catch((error: unknown) =>
        this.#parts.log.warn({ err: error }, 'OPC UA connections could not be changed'),
      )
  }

  /** One connection for what the registry now says, no more and no less. */
  async #connect(): Promise<void> {
    const plans = this.#plans()
    for (const [key, { plan, link }] of this.#connections) {
      if (JSON.stringify(plans.get(key)) === plan) continue
      await link.stop()
      this.#connections.delete(key)
    }
    for (const device of this.#samples.keys())
      if (bindingOf(this.#parts.devices.get(device)?.protocols) === null) this.#samples.delete(device)
    for (const [key, { endpoint, watched }] of plans) {
      if (this.#connections.has(key) || this.#isStopping) continue
      for (const { device, metric } of watched) this.#problems.delete(`${device}.${metric}`)
      const link = await this.#link(endpoint, watched)
      this.#connections.set(key, { plan: JSON.stringify({ endpoint, watched }), link })
      link.start()
    }
    const bound = new Set([...plans.values()].flatMap(({ watched }) => watched.map(nameOf)))
    for (const name of this.#problems.keys()) if (!bound.has(name)) this.#problems.delete(name)
  }

  #plans(): Map<string, { readonly endpoint: Endpoint; readonly watched: Watched[] }> {
    const plans = new Map<string, { readonly endpoint: Endpoint; readonly watched: Watched[] }>()
    for (const { id, protocols } of this.#parts.devices.all()) {
      const binding = bindingOf(protocols)
      if (binding === null) continue
      const { endpoint: url, nodes, securityMode, securityPolicy, username, password } = binding
      const endpoint = { url, securityMode, securityPolicy, username, password }
      const key = JSON.stringify(endpoint)
      const watched = Object.entries(nodes).map(([metric, node]) => ({ device: id, metric, node }))
      const plan = plans.get(key)
      if (plan === undefined) plans.set(key, { endpoint, watched })
      else plan.watched.push(...watched)
    }
    return plans
  }

  /** The client library takes 90 MB and half a second: loaded when the first device needs it. */
  async #link(endpoint: Endpoint, watched: readonly Watched[]): Promise<Link> {
    const [{ Link }, { Pki }] = await Promise.all([import('./link.ts'), import('./pki.ts')])
    if (this.#pki === undefined) {
      const pki = new Pki(this.#parts.pkiDir)
      await pki.start()
      this.#pki = pki
    }
    return new Link(endpoint, watched, this.#pki, this.#listener(endpoint, watched), this.#parts.log)
  }

  #listener(endpoint: Endpoint, watched: readonly Watched[]): LinkListener {
    return {
      check: ({ device, metric }, engineering) => {
        const kind = this.#parts.kinds.get(this.#parts.devices.get(device)?.kind ?? '')
        const known = kind?.metrics[metric]
        return known === undefined
          ? 'the kind of its device has no such metric'
          : mismatch(known, engineering)
      },
      onSamples: (device, samples) => this.#take(device, samples),
      onProblem: (node, problem) => this.#report(node, problem, endpoint),
      onLost: (reason) => this.#gap(new Set(watched.map(({ device }) => device)), reason),
    }
  }

  #take(device: string, samples: readonly Sample[]): void {
    for (const { metric, value } of samples)
      if (typeof value === 'number' || typeof value === 'boolean')
        this.#problems.delete(`${device}.${metric}`)
    let known = this.#samples.get(device)
    if (known === undefined) this.#samples.set(device, (known = new Samples()))
    this.#hand(device, known.readings(samples))
  }

  /** Shown, logged, and once for each time that it arises in the quarantine. */
  #report(watched: Watched, problem: string, endpoint: Endpoint): void {
    const name = nameOf(watched)
    if (this.#problems.get(name) === problem) return
    this.#problems.set(name, problem)
    this.#parts.log.warn({ ...watched, endpoint: endpoint.url, problem }, 'an OPC UA node is not taken')
    const raw = Buffer.from(JSON.stringify({ endpoint: endpoint.url, ...watched }))
    const refusal: Refusal = {
      device: watched.device,
      code: 'bad_node',
      message: `protocols.opcua.nodes.${watched.metric}: ${problem}`,
      raw: raw.subarray(0, RAW_LIMIT),
      rawSize: raw.length,
      receivedAt: this.#parts.clock.now(),
    }
    this.#parts.refuse(refusal).catch((error: unknown) => {
      this.#parts.log.warn({ err: error }, 'a problem could not be put into the quarantine')
    })
  }

  #gap(devices: ReadonlySet<string>, reason: string): void {
    const now = this.#parts.clock.now()
    for (const device of devices) {
      const reading = this.#samples.get(device)?.gap(now)
      if (reading === undefined || reading === null) continue
      this.#parts.log.info({ device, from: now, reason }, 'a gap begins')
      this.#hand(device, [reading])
    }
  }

  #hand(device: string, readings: MarkedReading[]): void {
    if (readings.length === 0) return
    this.#waiting.push({ device, readings, receivedAt: this.#parts.clock.now() })
    this.#waitingReadings += readings.length
    while (this.#waitingReadings > WAITING_LIMIT) this.#giveUp()
    this.#writing ??= this.#write().finally(() => (this.#writing = undefined))
  }

  #giveUp(): void {
    const { readings } = this.#waiting.shift()!
    this.#waitingReadings -= readings.length
    this.#givenUp += readings.length
  }

  /** What is there goes together, so that it shares a commit; the order of a device's readings stays. */
  async #write(): Promise<void> {
    while (this.#waiting.length > 0) {
      const batch = this.#waiting.splice(0, 100)
      for (const { readings } of batch) this.#waitingReadings -= readings.length
      const outcomes = await Promise.allSettled(
        batch.map(({ device, readings, receivedAt }) =>
          this.#parts.intake.accept({ device, payload: readings, receivedAt }),
        ),
      )
      const failed = batch.filter((_, i) => outcomes[i]!.status === 'rejected')
      if (failed.length === 0) continue
      const { reason } = outcomes.find((outcome) => outcome.status === 'rejected')!
      if (!(reason instanceof JournalUnavailable)) throw reason
      if (this.#isStopping) return
      this.#waiting.unshift(...failed)
      for (const { readings } of failed) this.#waitingReadings += readings.length
      await new Promise((resolve) => setTimeout(resolve, DISK_PAUSE))
    }
  }
}

function nameOf({ device, metric }: Watched): string {
  return `${device}.${metric}`
}
