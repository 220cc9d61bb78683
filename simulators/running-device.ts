import type { Command } from './connection.ts'
import type { SimulatedDevice } from './district.ts'
import type { Line, LineOf } from './line.ts'
import type { SimulationProgress } from './progress.ts'
import { Transmitter, type Sending } from './transmitter.ts'

/** Sendings a device can remember while the gateway is away, and readings that it sends at once when it is back. */
const MEMORY = 5000
const AT_ONCE = 100
/** It has this long to come back after a fault that took it off the line. */
const RETURN_LIMIT = 60_000

/** A device of a run: transmits in its time, remembers what it could not send, sends one message at a time. */
export class RunningDevice {
  readonly device: SimulatedDevice
  readonly #progress: SimulationProgress
  readonly #line: Line
  #transmitter: Transmitter | undefined
  #memory: Sending[] = []
  #sending = false
  /** How far it has come, ms since the run began. */
  #elapsed = 0

  constructor(device: SimulatedDevice, lineOf: LineOf, progress: SimulationProgress) {
    const { id, kind } = device.registration
    this.device = device
    this.#progress = progress
    const isProvoked = device.faults.some(({ fault }) => fault === 'hostile')
    this.#line = lineOf(id, {
      onRefused: (code) => {
        if (isProvoked) this.#progress.provoked++
        else this.#refused(code)
      },
      onError: (error) => this.#failed(error),
      ...(kind === 'loudspeaker' && { onCommand: (command: Command) => this.#obey(command) }),
    })
  }

  get idle(): boolean {
    return this.#memory.length === 0 && !this.#sending
  }

  /** When it will next have something to send. */
  get next(): number {
    return this.#transmitter!.next
  }

  async connect(signal: AbortSignal): Promise<void> {
    await this.#line.start(signal)
  }

  begin(from: number, epoch: number): void {
    this.#transmitter = new Transmitter(this.device, from, epoch)
    this.#elapsed = from
  }

  /** Takes everything that is to be sent before a moment. */
  take(until: number): void {
    this.#elapsed = until
    for (const sending of this.#transmitter!.take(until)) {
      if ('reading' in sending) this.#progress.taken++
      this.#memory.push(sending)
      if (this.#memory.length > MEMORY && this.#memory.shift() !== undefined) this.#progress.forgotten++
    }
  }

  /** One message under way at a time keeps the order through any break. Never rejects. */
  async send(): Promise<void> {
    if (this.#sending) return
    this.#sending = true
    try {
      await this.#followLine()
      for (let batch = this.#batch(); batch.length > 0; batch = this.#batch()) {
        const [first] = batch
        if (first !== undefined && 'hostile' in first) await this.#line.send(first.hostile)
        else {
          const readings = batch.flatMap((sending) => ('reading' in sending ? [sending.reading] : []))
          await this.#line.publish(readings)
          this.#progress.acknowledged += readings.length
        }
      }
    } catch (error) {
      this.#failed(error as Error)
    } finally {
      this.#sending = false
    }
  }

  async stop(): Promise<void> {
    await this.#line.stop()
  }

  /** Off the line while a fault keeps it there, and back as soon as it has something to say. */
  async #followLine(): Promise<void> {
    const isOffline = this.device.isOffline(this.#elapsed) && this.#memory.length === 0
    if (isOffline && this.#line.isOpen) await this.#line.cut()
    if (!isOffline && !this.#line.isOpen) await this.#line.start(AbortSignal.timeout(RETURN_LIMIT))
  }

  /** Readings that follow each other, or one message that is none. */
  #batch(): Sending[] {
    const hostile = this.#memory.findIndex((sending) => 'hostile' in sending)
    if (hostile === 0) return this.#memory.splice(0, 1)
    return this.#memory.splice(0, hostile < 0 ? AT_ONCE : Math.min(AT_ONCE, hostile))
  }

  #obey({ command, args }: Command): string | null {
    const text = args['text']
    if (command !== 'say' || typeof text !== 'string') return 'expected say {"text": …}'
    this.device.say(text, this.#elapsed)
    return null
  }

  #refused(code: string): void {
    this.#progress.refused++
    this.#progress.lastError = `${this.device.registration.id}: a reading was refused: ${code}`
  }

  #failed(error: Error): void {
    this.#progress.lastError = `${this.device.registration.id}: ${error.message}`
  }
}
