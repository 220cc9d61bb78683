/* oxlint-disable promise/no-callback-in-promise, promise/always-return -- aedes asks by callback, the intake answers by promise */
import type { Clock } from '../model/clock.ts'
import type { Intake, Outcome } from '../model/pipeline.ts'
import { RAW_LIMIT, type Refusal, type RefusalCode } from '../model/reading.ts'
import type { Principal, User } from '../model/user.ts'
import type { Connection } from './connection.ts'
import { STATUS_LIMIT_BYTES } from './limits.ts'
import type { Publish } from './readings-lane.ts'
import { destination } from './topic-rights.ts'

/** Where the messages of devices and teams go. What rejects is not acknowledged: the connection closes. */
export interface Receivers {
  readonly intake: Intake
  /** Into the quarantine, for what never reached the intake. */
  refuse(refusal: Refusal): Promise<void>
  onTeamAction(user: User, payload: Uint8Array, address: string): Promise<void>
  /** False when the device was sent no such command. */
  onCommandResult(device: string, command: string, payload: Uint8Array): boolean
}

type Callback = (error?: Error | null) => void

/** Ends every message of a client: nothing that a client sends is passed on to others by aedes. */
export class Arrivals {
  readonly #receivers: Receivers
  readonly #onStatus: (device: string, online: boolean) => void
  readonly #onRefused: (device: string, outcome: Outcome) => void
  readonly #clock: Clock
  #pending = 0

  constructor(
    receivers: Receivers,
    onStatus: (device: string, online: boolean) => void,
    onRefused: (device: string, outcome: Outcome) => void,
    clock: Clock,
  ) {
    this.#receivers = receivers
    this.#onStatus = onStatus
    this.#onRefused = onRefused
    this.#clock = clock
  }

  /** Messages that are not answered yet. */
  get pending(): number {
    return this.#pending
  }

  /** The hot path: as little as can be between the socket and the intake. Rejects when nothing may be acknowledged. */
  publishes(connection: Connection, device: string, publishes: readonly Publish[]): Promise<void> {
    const count = publishes.length
    this.#pending += count
    connection.pending += count
    const receivedAt = this.#clock.now()
    const accept = ({ payload }: Publish) => this.#receivers.intake.accept({ device, payload, receivedAt })
    const report = (outcome: Outcome) => {
      if (outcome.refused.length > 0) this.#onRefused(device, outcome)
    }
    const settled = () => {
      this.#pending -= count
      connection.pending -= count
    }
    const taken =
      count === 1
        ? accept(publishes[0]!).then(report)
        : Promise.all(publishes.map(accept)).then((outcomes) => outcomes.forEach(report))
    return taken.then(settled, (error: Error) => {
      settled()
      throw error
    })
  }

  /** Readings that came through aedes. The callback acknowledges; an error closes. */
  readings(connection: Connection, device: string, payload: Buffer, callback: Callback): void {
    this.#pending++
    connection.pending++
    this.#receivers.intake.accept({ device, payload, receivedAt: this.#clock.now() }).then(
      (outcome) => {
        this.#pending--
        connection.pending--
        if (outcome.refused.length > 0) this.#onRefused(device, outcome)
        callback(null)
      },
      (error: Error) => {
        this.#pending--
        connection.pending--
        callback(error)
      },
    )
  }

  /** Everything else, and the wills of those whose connection is gone. */
  other(
    connection: Connection,
    principal: Principal,
    topic: string,
    payload: Buffer,
    callback: Callback,
  ): void {
    this.#pending++
    connection.pending++
    this.take(principal, topic, payload, connection.address)
      .finally(() => {
        this.#pending--
        connection.pending--
      })
      .then(() => callback(null), callback)
  }

  async take(principal: Principal, topic: string, payload: Buffer, address = ''): Promise<void> {
    const target = destination(principal, topic)
    if (target.to === 'forbidden') {
      throw new Error(`not allowed to publish on ${JSON.stringify(topic.slice(0, 128))}`)
    }
    if (principal.type === 'user') return this.#receivers.onTeamAction(principal.user, payload, address)
    const { device } = principal
    const { to } = target
    switch (to) {
      case 'readings': {
        const outcome = await this.#receivers.intake.accept({
          device,
          payload,
          receivedAt: this.#clock.now(),
        })
        if (outcome.refused.length > 0) this.#onRefused(device, outcome)
        return
      }
      case 'status':
        return this.#status(device, payload)
      case 'result':
        if (this.#receivers.onCommandResult(device, target.command, payload)) return
        return this.#refuse(device, 'unknown_topic', `no command ${target.command} was sent`, payload)
      case 'unknown':
      case 'actions':
        return this.#refuse(device, 'unknown_topic', unknownTopic(topic), payload)
      default:
        return to satisfies never
    }
  }

  async #status(device: string, payload: Buffer): Promise<void> {
    if (payload.length > STATUS_LIMIT_BYTES) {
      const message = `status of ${payload.length} bytes; expected at most ${STATUS_LIMIT_BYTES}`
      return this.#refuse(device, 'too_large', message, payload)
    }
    let status: unknown
    try {
      status = JSON.parse(payload.toString('utf8'))
    } catch {
      return this.#refuse(device, 'bad_json', 'status is not JSON; expected {"online":true}', payload)
    }
    const online =
      typeof status === 'object' && status !== null && 'online' in status ? status.online : undefined
    if (typeof online !== 'boolean') {
      return this.#refuse(device, 'bad_type', 'status without online; expected {"online":true}', payload)
    }
    this.#onStatus(device, online)
  }

  async #refuse(device: string, code: RefusalCode, message: string, payload: Buffer): Promise<void> {
    const raw = payload.subarray(0, RAW_LIMIT)
    const refusal = { device, code, message, raw, rawSize: payload.length, receivedAt: this.#clock.now() }
    await this.#receivers.refuse(refusal)
    this.#onRefused(device, { accepted: 0, duplicates: 0, refused: [refusal] })
  }
}

function unknownTopic(topic: string): string {
  const shown = JSON.stringify(topic.slice(0, 256))
  return `unknown topic ${shown}; expected readings, status or commands/{id}/result below v1/{device}/`
}
