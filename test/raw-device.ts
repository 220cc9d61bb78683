import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import type { GatewayProcess } from './gateway-process.ts'

/** MQTT 3.1.1 by hand, for what no client library would send. */

function text(value: string): Buffer {
  const bytes = Buffer.from(value)
  return Buffer.concat([Buffer.of(bytes.length >> 8, bytes.length & 0xff), bytes])
}

/** [MQTT-2.2.3]: seven bits a byte, the least first. */
export function header(first: number, length: number): Buffer {
  const bytes = [first]
  do {
    bytes.push((length & 0x7f) | (length > 0x7f ? 0x80 : 0))
    length >>= 7
  } while (length > 0)
  return Buffer.from(bytes)
}

function packet(first: number, ...parts: Buffer[]): Buffer {
  const body = Buffer.concat(parts)
  return Buffer.concat([header(first, body.length), body])
}

export function connectPacket(username: string, password: string, keepalive = 60): Buffer {
  const flags = 0b1100_0010 // user name, password, clean session
  return packet(
    0x10,
    text('MQTT'),
    Buffer.of(4, flags, keepalive >> 8, keepalive & 0xff),
    text('raw'),
    text(username),
    text(password),
  )
}

/** QoS 1, packet id 1. */
export function publishPacket(topic: string, payload: string): Buffer {
  return packet(0x32, text(topic), Buffer.of(0, 1), Buffer.from(payload))
}

export const CONNECTED = '20020000'
export const REFUSED = '20020004'
export const PUBACK = '40020001'

export class RawDevice {
  readonly socket: Socket
  /** All bytes that came back, in hex. */
  received = ''

  constructor(socket: Socket) {
    this.socket = socket
    socket.on('error', () => {})
    socket.on('data', (chunk) => (this.received += chunk.toString('hex')))
  }

  static async open(gateway: GatewayProcess): Promise<RawDevice> {
    const socket = connect(gateway.ports.mqtt, '127.0.0.1')
    await once(socket, 'connect')
    return new RawDevice(socket)
  }

  send(bytes: Buffer): void {
    this.socket.write(bytes)
  }

  get closed(): boolean {
    return this.socket.closed
  }
}
