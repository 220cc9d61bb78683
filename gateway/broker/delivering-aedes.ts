// First: it must be there before aedes loads its parser.
import { restoreDebug } from './silent-debug.ts'
import { Aedes, type AedesOptions, type Client, type PublishPacket } from 'aedes'
import mqemitter from 'mqemitter'

restoreDebug()

/**
 * What clients publish ends in our hands (arrivals.ts) and is never passed on: no reading costs a fan-out, nobody
 * speaks for the gateway, and nothing of a client's is retained. Only what the gateway publishes is delivered.
 */
export class DeliveringAedes extends Aedes {
  #delivered: Promise<void> = Promise.resolve()

  constructor(options: AedesOptions) {
    super({ ...options, mq: impatientEmitter(), concurrency: 0 })
  }

  override publish(
    packet: PublishPacket,
    client: Client | ((error?: Error) => void),
    done?: (error?: Error) => void,
  ): void {
    if (typeof client === 'function') this.#publishInTurn(packet, client)
    else done?.()
  }

  /**
   * One after another: aedes numbers messages when they are published and drops, as a duplicate, whatever reaches a
   * client after one with a higher number. An order has to be retained first and would be overtaken by its alarm.
   */
  #publishInTurn(packet: PublishPacket, done: (error?: Error) => void): void {
    const publish = () =>
      new Promise<void>((resolve) => {
        const finish = (error?: Error) => {
          resolve()
          done(error)
        }
        // What throws fails alone: the messages behind it have their turn all the same.
        try {
          super.publish(packet, finish)
        } catch (error) {
          finish(error as Error)
        }
      })
    this.#delivered = this.#delivered.then(publish)
  }
}

/** A frozen subscriber holds back its own messages until it is dropped, not the publisher and not the others. */
function impatientEmitter() {
  const emitter = mqemitter({ concurrency: 0, matchEmptyLevels: true })
  const emit = emitter.emit.bind(emitter)
  emitter.emit = (message, done) => {
    emit(message)
    done?.()
    return emitter
  }
  return emitter
}
