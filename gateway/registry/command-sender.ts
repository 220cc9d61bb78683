import { randomUUID } from 'node:crypto'
import type { Clock } from '../model/clock.ts'
import type { CommandCarrier, Publisher } from '../model/pipeline.ts'
import type { Commands } from './commands.ts'

/** A command is worth nothing after this, ms, unless it says so itself. */
const EXPIRES_AFTER = 60_000

export interface CommandRequest {
  /** The sender's own: the same one sent again is the same command. A new one when absent. */
  readonly id?: string
  readonly device: string
  /** Such as `say`. */
  readonly command: string
  readonly args: Readonly<Record<string, unknown>>
  /** Epoch ms; a minute from now when absent. */
  readonly expires?: number
}

export type SendOutcome =
  | { readonly type: 'sent'; readonly id: string; readonly expires: number }
  /** The wire that the device is bound to does not take it now. */
  | { readonly type: 'refused'; readonly code: 'bad_request' | 'conflict'; readonly detail: string }

/** The one way of a command to a device, from people and from the gateway: noted in the audit, then over its wire. */
export class CommandSender {
  readonly #commands: Commands
  readonly #publisher: Publisher
  readonly #carriers: readonly CommandCarrier[]
  readonly #clock: Clock

  constructor(commands: Commands, publisher: Publisher, carriers: readonly CommandCarrier[], clock: Clock) {
    this.#commands = commands
    this.#publisher = publisher
    this.#carriers = carriers
    this.#clock = clock
  }

  /** Resolves when the wire has taken it; rejects when the broker or the disk fails. */
  async send(actor: string, request: CommandRequest): Promise<SendOutcome> {
    const { id = randomUUID(), device, command, args } = request
    const expires = request.expires ?? this.#clock.now() + EXPIRES_AFTER
    const carrier = this.#carriers.find((one) => one.carries(device))
    const problem = carrier?.check(device, command, args) ?? null
    if (problem !== null) return { type: 'refused', ...problem }
    this.#commands.sent(actor, { id, device, command, expires })
    if (carrier === undefined) {
      const payload = JSON.stringify({ id, command, args, expires })
      await this.#publisher.publish(`v1/${device}/commands`, payload, { qos: 1, retain: false })
    } else carrier.send(id, device, command, args)
    return { type: 'sent', id, expires }
  }
}
