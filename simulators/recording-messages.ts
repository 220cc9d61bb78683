import { isUtf8 } from 'node:buffer'
import { Ajv } from 'ajv'
import { Type, type Static } from 'typebox'
import { readingsTopic, type Registration } from './reading.ts'
import { linesOf, parsed } from './recording-json.ts'
import { registrationsOf, type Roster } from './recording-map.ts'
import type { Recording, Row } from './recording.ts'

/**
 * What `record` writes: JSON lines, of which each is one message as it passed the broker, or says who a device is
 * that speaks in later ones.
 */
const MessageLine = Type.Object({
  /** Null when it was not sent by a device, nor is about one. */
  device: Type.Union([Type.String(), Type.Null()]),
  topic: Type.String(),
  /** When it came, epoch ms. */
  at: Type.Number(),
  payload: Type.String(),
  /** How the payload is written when its bytes are no UTF-8. */
  encoding: Type.Optional(Type.Literal('base64')),
})
export type MessageLine = Static<typeof MessageLine>

const DeviceLine = Type.Object({
  device: Type.String(),
  at: Type.Number(),
  registration: Type.Object({
    kind: Type.String(),
    site: Type.String(),
    street: Type.String(),
    grid: Type.String(),
  }),
})

const isMessageLine = new Ajv().compile<MessageLine>(MessageLine)
const isDeviceLine = new Ajv().compile<{
  readonly device: string
  readonly at: number
  readonly registration: Omit<Registration, 'id'>
}>(DeviceLine)

export function messageLine(line: Omit<MessageLine, 'payload' | 'encoding'>, payload: Buffer): string {
  const text = isUtf8(payload)
    ? { payload: payload.toString('utf8') }
    : { payload: payload.toString('base64'), encoding: 'base64' }
  return `${JSON.stringify({ ...line, ...text })}\n`
}

export function deviceLine({ id, ...registration }: Registration, at: number): string {
  return `${JSON.stringify({ device: id, at, registration })}\n`
}

/** The readings that devices sent, in the very messages in which they sent them. */
export class MessageRecording implements Recording<Buffer> {
  readonly #file: string
  readonly #devices = new Map<string, Registration>()
  readonly #named: ReadonlyMap<string, Registration>

  /** The roster's word on a device counts more than the recording's. */
  constructor(file: string, roster: Roster | undefined) {
    this.#file = file
    this.#named = new Map(roster === undefined ? [] : registrationsOf(roster).map((one) => [one.id, one]))
  }

  devices(): Iterable<Registration> {
    return new Map([...this.#devices, ...this.#named]).values()
  }

  async *rows(): AsyncGenerator<Row<Buffer>> {
    for await (const line of linesOf(this.#file)) {
      const entry = parsed(line)
      if (isDeviceLine(entry)) {
        this.#devices.set(entry.device, { ...entry.registration, id: entry.device })
      } else if (!isMessageLine(entry)) {
        yield { ts: null, said: [], skips: ['damaged'] }
      } else if (entry.device === null || entry.topic !== readingsTopic(entry.device)) {
        yield { ts: entry.at, said: [], skips: ['not_from_a_device'] }
      } else {
        const what = Buffer.from(entry.payload, entry.encoding ?? 'utf8')
        yield { ts: entry.at, said: [{ device: entry.device, what }], skips: [] }
      }
    }
  }
}

/**
 * The same message with the times of its readings moved. One that is no reading is left as it is: what a device
 * said wrong, it says wrong again. So is everything when nothing is moved.
 */
export function moved(payload: Buffer, by: number): Buffer {
  if (by === 0) return payload
  const message = parsed(payload.toString('utf8'))
  if (typeof message !== 'object' || message === null) return payload
  for (const reading of Array.isArray(message) ? message : [message]) {
    if (typeof reading !== 'object' || reading === null) continue
    const timed = reading as { ts?: unknown }
    if (typeof timed.ts === 'number') timed.ts += by
  }
  return Buffer.from(JSON.stringify(message))
}

/** Whether the file's first line is one of a recording's, rather than a row of somebody's table. */
export async function isMessageRecording(file: string): Promise<boolean> {
  for await (const line of linesOf(file)) {
    const entry = parsed(line)
    return isMessageLine(entry) || isDeviceLine(entry)
  }
  return false
}
