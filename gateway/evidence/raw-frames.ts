import { createInterface } from 'node:readline'
import type { Readable } from 'node:stream'
import type { WireText } from '../model/pipeline.ts'

/** Messages that the report shows, and characters of each. */
const SHOWN = 12
const SHOWN_LENGTH = 1_500

/** A message of the part `frames`, as much of it as a page shows. */
export interface RawFrame {
  readonly device: string
  readonly receivedAt: number
  /** What came over the wire where it is kept, else the text of the readings. */
  readonly texts: readonly string[]
  readonly wire: Omit<WireText, 'frames'> | undefined
  /** Why what came cannot be shown. */
  readonly damage: string | undefined
}

interface FrameLine {
  readonly device: string
  readonly receivedAt: number
  readonly payload: string
  readonly wire?: WireText
  readonly damage?: string
}

/** The messages of the part that came nearest to any of the times, in their order; the part may be of any length. */
export async function framesNear(part: Readable, times: readonly number[]): Promise<readonly RawFrame[]> {
  let nearest: { readonly distance: number; readonly frame: RawFrame }[] = []
  for await (const text of createInterface({ input: part, crlfDelay: Infinity })) {
    const line = JSON.parse(text) as Partial<FrameLine>
    if (line.receivedAt === undefined) continue
    const { receivedAt } = line
    const distance = Math.min(...times.map((time) => Math.abs(receivedAt - time)))
    if (nearest.length === SHOWN && distance >= nearest.at(-1)!.distance) continue
    nearest.push({ distance, frame: shown(line as FrameLine) })
    nearest = nearest.toSorted((one, other) => one.distance - other.distance).slice(0, SHOWN)
  }
  return nearest.map(({ frame }) => frame).toSorted((one, other) => one.receivedAt - other.receivedAt)
}

function shown({ device, receivedAt, payload, wire, damage }: FrameLine): RawFrame {
  const texts: string[] = []
  let left = SHOWN_LENGTH
  for (const text of wire?.frames ?? [payload]) {
    if (left <= 0) break
    texts.push(text.length > left ? `${text.slice(0, left)}…` : text)
    left -= text.length
  }
  const { frames: _, ...rest } = wire ?? { frames: [] }
  return { device, receivedAt, texts, wire: wire && (rest as Omit<WireText, 'frames'>), damage }
}
