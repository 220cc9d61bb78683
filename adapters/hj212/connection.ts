import type { Socket } from 'node:net'
import { Allowance } from '../../gateway/model/allowance.ts'
import type { Acknowledgement } from './acknowledgement.ts'
import { Decoder, type Fault } from './codec.ts'
import { Splitter } from './splitter.ts'

/** Frames of a connection that wait for the disk; then it is not read until one of them is through. */
const IN_FLIGHT = 64
/** A frame that has begun must be whole by then, ms: 1 KB takes a second at 9,600 baud. */
export const FRAME_MS = 30_000
/** Bytes without a frame among them after which nobody may expect one, and the connection is closed. */
export const NOISE_LIMIT = 65_536
/** Finds peers that have vanished without a word, ms. */
const PROBE_AFTER_MS = 60_000

export interface ConnectionListener {
  /** Segment and frame are on loan, as from the {@link Splitter}. */
  onFrame(connection: Connection, segment: Buffer, crc: number, frame: Buffer): void
  onFault(connection: Connection, fault: Fault): void
  onClosed(connection: Connection): void
}

/** One socket: frames in, frames out, and what bounds them. */
export class Connection {
  readonly address: string
  /** Devices that it speaks for. */
  readonly devices = new Set<string>()
  /** `performance.now()` of its last right frame; of its beginning until there is one. */
  heardAt = performance.now()
  isKnown = false
  readonly decoder = new Decoder()
  /** What it was acknowledged by last. */
  acknowledgement: Acknowledgement | null = null
  readonly #socket: Socket
  readonly #splitter: Splitter
  readonly #allowance: Allowance
  readonly #onFault: (fault: Fault) => void
  #frames = 0
  /** `performance.now()` of the chunk that came last. */
  #now = 0
  #inFlight = 0
  #heldUntil: NodeJS.Timeout | undefined
  #isHeld = false
  #isDraining = false
  #isStopped = false
  #unsent: Uint8Array[] = []
  /** What of the chunk that is being read waits for the disk; null when none is being read. */
  #arrival: Arrival | null = null
  /** `performance.now()` when the unfinished frame was first seen; 0 when there is none. */
  #unfinishedSince = 0

  constructor(socket: Socket, framesPerSecond: number, listener: ConnectionListener) {
    this.#socket = socket
    this.address = socket.remoteAddress ?? 'unknown'
    this.#allowance = new Allowance(framesPerSecond, this.heardAt)
    this.#onFault = (fault) => listener.onFault(this, fault)
    this.#splitter = new Splitter({
      onFrame: (segment, crc, frame) => {
        this.#frames++
        listener.onFrame(this, segment, crc, frame)
      },
      onFault: this.#onFault,
    })
    socket.setKeepAlive(true, PROBE_AFTER_MS)
    socket.on('data', (chunk: Buffer) => this.#take(chunk))
    socket.on('drain', () => {
      this.#isDraining = false
      this.#regulate()
    })
    // The reason says nothing that the closing does not.
    socket.on('error', () => socket.destroy())
    socket.on('close', () => {
      clearTimeout(this.#heldUntil)
      listener.onClosed(this)
    })
  }

  get inFlight(): number {
    return this.#inFlight
  }

  /**
   * The answer (null: none is wanted) to a frame that is on its way to the disk. Frames of one chunk are answered in
   * one write, when all of them are durable, but for one that waits for others to come (`isAlone`). When one cannot
   * be durable the connection closes, and the sender sends it again.
   */
  answerWhen(
    durable: Promise<unknown>,
    acknowledgement: Acknowledgement | null,
    qn: string | null,
    isAlone: boolean,
  ): void {
    const arrival = isAlone || this.#arrival === null ? new Arrival(this.#onDurable) : this.#arrival
    arrival.add(durable, acknowledgement, qn)
    this.#inFlight++
    if (isAlone || this.#arrival === null) arrival.close()
    if (this.#inFlight === IN_FLIGHT) this.#regulate()
  }

  readonly #onDurable = (arrival: Arrival, isDurable: boolean): void => {
    const before = this.#inFlight
    this.#inFlight -= arrival.count
    if (!isDurable) this.destroy()
    else if (arrival.size > 0) this.send(arrival.answers())
    if (before >= IN_FLIGHT && this.#inFlight < IN_FLIGHT) this.#regulate()
  }

  /** What a commit has let through goes out in one write. */
  send(frame: Uint8Array): void {
    if (this.#unsent.length === 0) process.nextTick(() => this.#flush())
    this.#unsent.push(frame)
  }

  /** Closes it when nothing right has come for too long, or a frame takes too long to be whole. */
  sweep(now: number, { connectMs, idleMs }: { readonly connectMs: number; readonly idleMs: number }): void {
    const silent = now - this.heardAt
    const isHung =
      !this.#socket.isPaused() && this.#unfinishedSince > 0 && now - this.#unfinishedSince > FRAME_MS
    if (isHung || silent > (this.isKnown ? idleMs : connectMs)) this.destroy()
  }

  /** Takes nothing more in; what is under way is still answered. */
  stopReading(): void {
    this.#isStopped = true
    this.#regulate()
  }

  /** Closes when what has been written is out. */
  finish(): void {
    this.#flush()
    this.#socket.end()
  }

  destroy(): void {
    this.#socket.destroy()
  }

  /** A right frame has come. */
  isHeard(): void {
    this.heardAt = this.#now
    this.isKnown = true
  }

  #take(chunk: Uint8Array): void {
    const now = performance.now()
    this.#now = now
    this.#frames = 0
    this.#arrival = new Arrival(this.#onDurable)
    this.#splitter.push(chunk)
    this.#arrival.close()
    this.#arrival = null
    if (this.#splitter.noise > NOISE_LIMIT) {
      this.#onFault({ code: 'bad_segment', message: `${NOISE_LIMIT} bytes and no frame among them` })
      this.destroy()
      return
    }
    if (this.#splitter.held === 0) this.#unfinishedSince = 0
    else if (this.#unfinishedSince === 0 || this.#frames > 0) this.#unfinishedSince = now
    // Bytes count too, so that noise has no higher rate than frames of a usual length.
    const wait = this.#allowance.spend(Math.max(this.#frames, chunk.length / 1024), now)
    if (wait > 0) this.#hold(wait)
  }

  #flush(): void {
    const frames = this.#unsent
    this.#unsent = []
    if (
      !this.#socket.writable ||
      this.#socket.write(frames.length === 1 ? frames[0]! : Buffer.concat(frames))
    )
      return
    // A peer that sends and does not read what it is answered.
    this.#isDraining = true
    this.#regulate()
  }

  #hold(wait: number): void {
    this.#isHeld = true
    this.#heldUntil = setTimeout(() => {
      this.#isHeld = false
      this.#regulate()
    }, wait)
    this.#regulate()
  }

  /** What is not read stays in the kernel, and the sender waits: nothing is lost. */
  #regulate(): void {
    const isShut = this.#isHeld || this.#isDraining || this.#isStopped || this.#inFlight >= IN_FLIGHT
    if (isShut === this.#socket.isPaused()) return
    if (isShut) {
      this.#socket.pause()
      return
    }
    // That the frame was not read on was not its sender's doing.
    if (this.#unfinishedSince > 0) this.#unfinishedSince = performance.now()
    this.#socket.resume()
  }
}

/** Frames that came together and are answered together. */
class Arrival {
  count = 0
  /** Bytes of the answers. */
  size = 0
  readonly #settled: (arrival: Arrival, isDurable: boolean) => void
  readonly #acknowledgements: Acknowledgement[] = []
  readonly #numbers: (string | null)[] = []
  /** Of the frames, and one until it is closed. */
  #waiting = 1
  #isDurable = true

  constructor(settled: (arrival: Arrival, isDurable: boolean) => void) {
    this.#settled = settled
  }

  add(durable: Promise<unknown>, acknowledgement: Acknowledgement | null, qn: string | null): void {
    this.count++
    this.#waiting++
    durable.then(this.#done, this.#failed)
    if (acknowledgement === null) return
    this.size += acknowledgement.size
    this.#acknowledgements.push(acknowledgement)
    this.#numbers.push(qn)
  }

  /** Nothing more comes. */
  close(): void {
    this.#done()
  }

  answers(): Buffer {
    const bytes = Buffer.allocUnsafe(this.size)
    let at = 0
    for (let i = 0; i < this.#numbers.length; i++) {
      const acknowledgement = this.#acknowledgements[i]!
      acknowledgement.write(bytes, at, this.#numbers[i]!)
      at += acknowledgement.size
    }
    return bytes
  }

  readonly #done = (): void => {
    this.#waiting--
    if (this.#waiting === 0 && this.count > 0) this.#settled(this, this.#isDurable)
  }

  readonly #failed = (): void => {
    this.#isDurable = false
    this.#done()
  }
}
