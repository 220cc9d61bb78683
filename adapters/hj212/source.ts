import { createServer, type AddressInfo, type Server, type Socket } from 'node:net'
import type { Logger } from 'pino'
import type { Clock } from '../../gateway/model/clock.ts'
import type { DeviceDirectory } from '../../gateway/model/device.ts'
import type { Kinds } from '../../gateway/model/kind.ts'
import type {
  CommandCarrier,
  Health,
  Intake,
  Part,
  Point,
  Query,
  WireFrames,
} from '../../gateway/model/pipeline.ts'
import type { Refusal, RefusalCode } from '../../gateway/model/reading.ts'
import { Assembly } from './assembly.ts'
import { Backfill, LEAST_GAP_MS } from './backfill.ts'
import { Acknowledgement } from './acknowledgement.ts'
import { decodeSegment, fieldsOf, frame, versionOf, wantsAnswer, type Fault, type Packet } from './codec.ts'
import { Connection } from './connection.ts'
import { checksum, CHECKSUMS, type Checksum } from './crc.ts'
import { masked, wireFramesOf } from './kept-frame.ts'
import { requestOf } from './orders.ts'
import type { Profiles } from './profile.ts'
import { periodOf } from './readings.ts'
import {
  isAnswer,
  Requests,
  TABLE_1,
  type Answer,
  type Request,
  type Session,
  type Timing,
} from './requests.ts'
import { Roster, type Member } from './roster.ts'
import { Splitter } from './splitter.ts'
import { Strangers, type Stranger } from './strangers.ts'
import { Uploads } from './uploads.ts'

export interface Hj212Options {
  readonly host: string
  /** 0 means any free port. */
  readonly port: number
  /** A connection is closed when no right frame has come by then, or for that long. */
  readonly connectMs: number
  readonly idleMs: number
  readonly maxConnections: number
  readonly framesPerSecond: number
  /** Ask devices for what is missing after an outage. */
  readonly fillGaps: boolean
  readonly timing?: Timing
  readonly settleMs?: number
}

export interface Hj212Parts {
  readonly kinds: Kinds
  readonly profiles: Profiles
  readonly devices: Pick<DeviceDirectory, 'get' | 'all'>
  readonly intake: Intake
  /** Into the quarantine, for what never reaches the intake; resolves when durable. */
  readonly refuse: (refusal: Refusal) => Promise<void>
  readonly query: (query: Query) => Promise<readonly Point[]>
  readonly onPresence: (device: string, online: boolean, at: number) => void
  readonly onCommandResult: (device: string, command: string, result: CommandResult) => void
  readonly clock: Clock
  readonly log: Logger
}

/** As devices say it on MQTT (contract §2). */
export type CommandResult = { readonly ok: true } | { readonly ok: false; readonly error: string }

/** Stop waits this long for what is on its way to the disk, ms. */
const STOP_MS = 3_000
const SWEEP_MS = 1_000
/** Longest stay in memory of a name that a stranger gives itself. */
const NAME_LIMIT = 64

/**
 * HJ 212 over TCP: a listener that monitors keep a connection to. A frame goes from its connection through the
 * checksum, the roster (MN → device) and the profile to the intake; 9014 goes out when that resolves, and not before.
 */
export class Hj212Source implements Part, CommandCarrier {
  readonly #options: Hj212Options
  readonly #parts: Hj212Parts
  readonly #roster: Roster
  readonly #strangers: Strangers
  readonly #uploads: Uploads
  readonly #assembly: Assembly
  readonly #requests: Requests
  readonly #backfill: Backfill
  /** In the order in which they came. */
  readonly #connections = new Set<Connection>()
  readonly #sessions = new Map<string, Session>()
  #server: Server | undefined
  #sweeper: NodeJS.Timeout | undefined
  #faults = 0
  #turnedAway = 0

  constructor(options: Hj212Options, parts: Hj212Parts) {
    this.#options = options
    this.#parts = parts
    this.#roster = new Roster(parts.devices, parts.kinds, parts.profiles)
    this.#strangers = new Strangers(parts.kinds, parts.profiles)
    this.#uploads = new Uploads(parts.intake)
    this.#assembly = new Assembly((member, packet, frames) =>
      this.#uploads.take(member, packet, frames, parts.clock.now()),
    )
    this.#requests = new Requests(parts.clock, options.timing ?? TABLE_1)
    this.#backfill = new Backfill({
      query: parts.query,
      ask: (session, request) => this.#requests.send(session, request),
      clock: parts.clock,
      onFilled: (device, from, to, answer) => this.#noteFilled(device, from, to, answer),
      ...(options.settleMs !== undefined && { settleMs: options.settleMs }),
    })
  }

  async start(): Promise<void> {
    this.#roster.load()
    const server = createServer({ noDelay: true }, (socket) => this.#welcome(socket))
    this.#server = server
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject)
      server.listen(this.#options.port, this.#options.host, () => {
        server.off('error', reject)
        server.on('error', (error) => this.#parts.log.error({ err: error }, 'HJ 212 listener failed'))
        resolve()
      })
    })
    this.#sweeper = setInterval(() => this.#sweep(), Math.min(SWEEP_MS, this.#options.connectMs / 2))
  }

  /** Takes nothing more in, answers what is on its way to the disk, then closes. */
  async stop(): Promise<void> {
    clearInterval(this.#sweeper)
    this.#server?.close()
    this.#backfill.stop()
    this.#requests.stop()
    for (const connection of this.#connections) connection.stopReading()
    this.#assembly.flush()
    const deadline = performance.now() + STOP_MS
    while (performance.now() < deadline && [...this.#connections].some(({ inFlight }) => inFlight > 0))
      await new Promise((resolve) => setTimeout(resolve, 10))
    for (const connection of this.#connections) connection.finish()
    await new Promise((resolve) => setImmediate(resolve))
    for (const connection of this.#connections) connection.destroy()
  }

  /** The port that it listens on, from `start()` to `stop()`. */
  port(): number {
    return (this.#server!.address() as AddressInfo).port
  }

  health(): Health {
    const { size } = this.#connections
    const detail = `${size} connections, ${this.#sessions.size} devices, ${this.#faults} damaged frames, ${this.#turnedAway} turned away`
    return { ready: this.#server?.listening === true, detail }
  }

  /** Senders that are not heard, and why. */
  unknown(): Stranger[] {
    return this.#strangers.list()
  }

  /** The registered device came, went or is another than before. */
  changed(id: string): void {
    const before = this.#roster.byDevice(id)
    this.#roster.changed(id)
    const now = this.#roster.byDevice(id)
    if (now !== undefined) this.#strangers.forget(now.binding.mn)
    if (now !== undefined && now.binding.mn === before?.binding.mn) return
    const session = this.#sessions.get(id)
    this.#sessions.delete(id)
    session?.connection.devices.delete(id)
    if (session !== undefined) this.#requests.lost(session)
    this.#uploads.forget(id)
    this.#backfill.forget(id)
  }

  /** A frame that the quarantine holds, by what the registry says now. */
  reread(
    raw: Uint8Array,
  ):
    | { device: string; readings: readonly unknown[]; wire?: WireFrames }
    | { code: RefusalCode; message: string }
    | null {
    let packet: Packet | null = null
    let wire: WireFrames | undefined
    const splitter = new Splitter({
      onFrame: (segment, crc, whole) => {
        const decoded = decodeSegment(segment)
        if ('code' in decoded) return
        packet = decoded
        const fitting = CHECKSUMS.find((algorithm) => checksum(segment, algorithm) === crc)
        if (fitting !== undefined) wire = wireFramesOf([masked(whole)], fitting)
      },
      onFault: () => {},
    })
    // A copy: what is kept of it is masked in its place, and the splitter's memory is on loan.
    splitter.push(Buffer.from(raw))
    if (packet === null) return null
    const { mn, cn } = packet as Packet
    const member = this.#roster.byNumber(mn)
    if (member === undefined) return { code: 'unknown_device', message: 'MN: still not registered' }
    if (periodOf(packet) === null) return { code: 'bad_reading', message: `CN ${cn}: ${UNREAD}` }
    const readings = this.#uploads.readingsOf(member, packet)
    return { device: member.device, readings, ...(wire !== undefined && { wire }) }
  }

  carries(device: string): boolean {
    return this.#roster.byDevice(device) !== undefined
  }

  check(device: string, command: string, args: unknown): ReturnType<CommandCarrier['check']> {
    const request = requestOf(command, args, this.#parts.clock.now())
    if ('problem' in request) return { code: 'bad_request', detail: request.problem }
    if (!this.#sessions.has(device))
      return { code: 'conflict', detail: 'the device is not connected; HJ 212 cannot keep a command for it' }
    return null
  }

  send(id: string, device: string, command: string, args: unknown): void {
    const session = this.#sessions.get(device)
    const request = requestOf(command, args, this.#parts.clock.now())
    if (session === undefined || 'problem' in request) return
    void this.#carryOut(id, session, command, request)
  }

  async #carryOut(id: string, session: Session, command: string, request: Request): Promise<void> {
    const { device } = session.member
    const answer = await this.#requests.send(session, request)
    this.#parts.log.info({ device, command, id, answer }, 'HJ 212 command answered')
    try {
      this.#parts.onCommandResult(device, id, answer.ok ? { ok: true } : answer)
    } catch (error) {
      this.#parts.log.error({ err: error, device, id }, 'the result of an HJ 212 command could not be noted')
    }
  }

  #welcome(socket: Socket): void {
    if (this.#connections.size >= this.#options.maxConnections) {
      // Whoever has said nothing right makes room, then whoever speaks for no device: no crowd locks a device out.
      const all = [...this.#connections]
      const idler = all.find(({ isKnown }) => !isKnown) ?? all.find(({ devices }) => devices.size === 0)
      this.#turnedAway++
      if (idler === undefined) {
        socket.destroy()
        return
      }
      this.#connections.delete(idler)
      idler.destroy()
    }
    const connection = new Connection(socket, this.#options.framesPerSecond, {
      onFrame: (from, segment, crc, whole) => this.#hear(from, segment, crc, whole),
      onFault: (from, fault) => this.#noteFault(from, fault),
      onClosed: (from) => this.#leave(from),
    })
    this.#connections.add(connection)
  }

  #leave(connection: Connection): void {
    this.#connections.delete(connection)
    for (const device of connection.devices) {
      const session = this.#sessions.get(device)
      if (session?.connection !== connection) continue
      this.#sessions.delete(device)
      this.#requests.lost(session)
      this.#parts.onPresence(device, false, this.#parts.clock.now())
    }
  }

  #sweep(): void {
    const now = performance.now()
    for (const connection of this.#connections) connection.sweep(now, this.#options)
  }

  /** Annex A: a frame with a wrong checksum is not answered; the sender sends it again. */
  #hear(connection: Connection, segment: Buffer, crc: number, whole: Buffer): void {
    const packet = connection.decoder.decode(segment)
    if ('code' in packet) {
      this.#noteFault(connection, packet)
      return
    }
    const member = this.#roster.byNumber(packet.mn)
    if (member !== undefined && checksum(segment, member.binding.crc) === crc) {
      const { pw } = member.binding
      if (pw === undefined || pw === packet.pw) this.#take(connection, member, packet, segment, whole)
      else this.#noteStranger(connection, packet, 'wrong_pw', member.binding.crc)
      return
    }
    const fitting = CHECKSUMS.find((algorithm) => checksum(segment, algorithm) === crc)
    if (fitting === undefined) {
      this.#noteFault(connection, { code: 'bad_crc', message: 'the checksum is that of no algorithm' })
    } else if (member !== undefined) {
      this.#noteStranger(connection, packet, 'wrong_crc', fitting)
    } else {
      this.#noteStranger(connection, packet, 'unknown_mn', fitting)
      this.#quarantine(connection, packet, fitting, segment)
    }
  }

  #take(connection: Connection, member: Member, packet: Packet, segment: Buffer, whole: Buffer): void {
    const session = this.#meet(connection, member, packet)
    if (this.#requests.hear(member, packet)) return
    const period = periodOf(packet)
    if (period !== null) {
      this.#lookBack(session, packet)
      // Masked where it stands; nothing that is a reading is called PW.
      const durable = this.#assembly.take(member, packet, masked(whole))
      this.#answerWhen(durable, connection, packet, member.binding.crc)
    } else if (STORED_NOWHERE.has(packet.cn)) {
      // Nothing in it is a reading; the log is where an operator looks for a logger that has restarted.
      this.#parts.log.info(
        { device: member.device, cn: packet.cn, cp: fieldsOf(packet) },
        'HJ 212 notice of a device',
      )
      this.#answer(connection, packet, member.binding.crc, DATA_ACKNOWLEDGED)
    } else if (packet.cn.startsWith('2')) {
      // Data that is not understood is kept where people can see it.
      const what = {
        code: 'bad_reading',
        message: `CN ${packet.cn}: not a kind of data that is read here`,
      } as const
      const kept = this.#refuse(member.device, what, frame(segment, member.binding.crc))
      this.#answerWhen(kept, connection, packet, member.binding.crc)
    } else {
      this.#answer(connection, packet, member.binding.crc, NOTICE_ACKNOWLEDGED)
      // Annex C.4: a device that asks for the time is told it by a request of its own.
      if (packet.cn === '1013') this.#setTime(session)
    }
  }

  /** The device is heard on this connection from here on. */
  #meet(connection: Connection, member: Member, packet: Packet): Session {
    connection.isHeard()
    const { device } = member
    let session = this.#sessions.get(device)
    if (session?.connection !== connection || session.member !== member) {
      if (session !== undefined) {
        session.connection.devices.delete(device)
        this.#requests.lost(session)
      }
      session = { member, connection, st: null, pw: null, version: 0, isBack: false, lookedTs: -Infinity }
      this.#sessions.set(device, session)
      connection.devices.add(device)
      this.#parts.onPresence(device, true, this.#parts.clock.now())
    }
    if (packet.st !== '91') session.st = packet.st ?? session.st
    session.pw = packet.pw ?? session.pw
    session.version = versionOf(packet)
    return session
  }

  #lookBack(session: Session, packet: Packet): void {
    if (session.isBack || !this.#options.fillGaps) return
    const glanced = this.#uploads.glance(session.member, packet)
    if (glanced === undefined) return
    const { metric, ts } = glanced
    // What comes first may be the last that was not acknowledged, or a mean of long ago: until it speaks of now, each
    // packet that is as much later as a gap is looked before.
    if (ts - session.lookedTs >= LEAST_GAP_MS) {
      if (!this.#backfill.back(session, metric, ts)) return
      session.lookedTs = ts
    }
    session.isBack = periodOf(packet) === 'instant' && ts >= this.#parts.clock.now() - LEAST_GAP_MS
  }

  #setTime(session: Session): void {
    const request = requestOf('set_time', {}, this.#parts.clock.now())
    if (!('problem' in request)) void this.#requests.send(session, request)
  }

  #noteFilled(device: string, from: number, to: number, answer: Answer): void {
    this.#parts.log.info({ device, from, to, answer }, 'HJ 212 history was asked for to fill a gap')
  }

  #noteFault(connection: Connection, fault: Fault): void {
    this.#faults++
    this.#parts.log.debug({ address: connection.address, fault }, 'HJ 212 frame damaged')
  }

  #noteStranger(connection: Connection, packet: Packet, trouble: Stranger['trouble'], crc: Checksum): void {
    this.#strangers.note(packet, trouble, crc, connection.address, this.#parts.clock.now())
  }

  /** Data of an MN that nobody has registered: kept in the quarantine, and acknowledged for it. */
  #quarantine(connection: Connection, packet: Packet, crc: Checksum, segment: Uint8Array): void {
    connection.isHeard()
    if (isAnswer(packet)) return
    if (periodOf(packet) === null) {
      this.#answer(connection, packet, crc, NOTICE_ACKNOWLEDGED)
      return
    }
    const what = {
      code: 'unknown_device',
      message: 'MN: not registered; GET /hj212/unknown suggests how',
    } as const
    const kept = this.#refuse(packet.mn.slice(0, NAME_LIMIT), what, frame(segment, crc))
    this.#answerWhen(kept, connection, packet, crc)
  }

  #refuse(device: string, what: { code: RefusalCode; message: string }, raw: Uint8Array): Promise<void> {
    return this.#parts.refuse({
      device,
      ...what,
      raw,
      rawSize: raw.length,
      receivedAt: this.#parts.clock.now(),
    })
  }

  /** §6.4: data is acknowledged when it is durable. When it cannot be, the connection closes and the device sends it again. */
  #answerWhen(durable: Promise<unknown>, connection: Connection, packet: Packet, crc: Checksum): void {
    const answer = wantsAnswer(packet) ? acknowledgementOf(connection, packet, crc, DATA_ACKNOWLEDGED) : null
    // A part may wait for the others.
    const isAlone = packet.pnum !== null && packet.pnum > 1
    connection.answerWhen(durable, answer, packet.qn, isAlone)
  }

  #answer(connection: Connection, packet: Packet, crc: Checksum, cn: string): void {
    if (!wantsAnswer(packet)) return
    const answer = acknowledgementOf(connection, packet, crc, cn)
    const bytes = Buffer.allocUnsafe(answer.size)
    answer.write(bytes, 0, packet.qn)
    connection.send(bytes)
  }
}

/** Nearly always that of the frame before. */
function acknowledgementOf(
  connection: Connection,
  packet: Packet,
  crc: Checksum,
  cn: string,
): Acknowledgement {
  const last = connection.acknowledgement
  if (last?.fits(packet, cn, crc) === true) return last
  return (connection.acknowledgement = new Acknowledgement(packet, cn, crc))
}

const UNREAD = 'not a kind of data that is read here'
const NOTICE_ACKNOWLEDGED = '9013'
const DATA_ACKNOWLEDGED = '9014'
/** Uploads without readings: start of the logger, serial number, information of the device. */
const STORED_NOWHERE: ReadonlySet<string> = new Set(['2081', '3019', '3020'])
