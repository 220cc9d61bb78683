/** A monitor as the tests play it: it sends what it is told to, byte for byte, and hears what it is answered. */
import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import { decode, encode, told, type Told } from './codec.ts'
import type { Checksum } from './crc.ts'
import { Splitter } from './splitter.ts'
import { writtenTime } from './time.ts'

export class Monitor {
  readonly socket: Socket
  readonly heard: Told[] = []
  isClosed = false
  readonly #waiting: ((packet: Told) => void)[] = []
  readonly #unread: Told[] = []

  constructor(port: number, algorithm: Checksum = 'annex-a') {
    this.socket = connect({ port, host: '127.0.0.1', noDelay: true })
    this.socket.on('error', () => {})
    this.socket.on('close', () => {
      this.isClosed = true
    })
    const splitter = new Splitter({
      onFrame: (segment, crc) => {
        const decoded = decode(segment, crc, algorithm)
        if ('code' in decoded) throw new Error(decoded.message)
        const packet = told(decoded)
        this.heard.push(packet)
        const waiting = this.#waiting.shift()
        if (waiting === undefined) this.#unread.push(packet)
        else waiting(packet)
      },
      onFault: (fault) => {
        throw new Error(fault.message)
      },
    })
    this.socket.on('data', (chunk: Buffer) => splitter.push(chunk))
  }

  send(frame: string | Uint8Array): void {
    this.socket.write(typeof frame === 'string' ? `${frame}\r\n` : frame)
  }

  /** The next packet that it has not been asked for yet. */
  async next(): Promise<Told> {
    return this.#unread.shift() ?? (await new Promise((resolve) => this.#waiting.push(resolve)))
  }

  async closed(): Promise<void> {
    if (!this.isClosed) await once(this.socket, 'close')
  }

  end(): void {
    this.socket.destroy()
  }
}

let number = Date.UTC(2026, 0, 1)

/** A frame of a monitor; each with a QN of its own. */
export function upload(fields: {
  mn: string
  cn?: string
  flag?: number | null
  pw?: string
  at?: number
  cp?: string
  qn?: string
  pnum?: number
  pno?: number
  crc?: Checksum
}): { frame: Buffer; qn: string } {
  const { mn, cn = '2011', flag = 5, pw = '123456', at, cp = '', pnum = null, pno = null } = fields
  const qn = fields.qn ?? writtenTime(number++, 17)
  const items = [at === undefined ? '' : `DataTime=${writtenTime(at)}`, cp].filter((item) => item !== '')
  const packet = { qn, st: '31', cn, pw, mn, flag, pnum, pno, cp: items.join(';') }
  return { frame: encode(packet, fields.crc ?? 'annex-a'), qn }
}
