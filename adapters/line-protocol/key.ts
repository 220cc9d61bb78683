import { unescapeName } from './head.ts'
import { LineFault } from './line-fault.ts'
import { Piece } from './piece.ts'
import type { Scalar } from './messages.ts'

const FLAG = '_flag'

/** A field key as it is written, its `=` included, and what it names. */
export interface Key {
  readonly name: string
  readonly piece: Piece
  readonly place: 'metric' | 'flag' | 'position'
  /** Whether an object can be given it by assignment: `__proto__` means something else there. */
  readonly isPlain: boolean
}

export function keyOf(written: Buffer): Key {
  const name = unescapeName(written.toString('utf8', 0, written.length - 1))
  const piece = new Piece(written)
  const isPlain = name !== '__proto__'
  if (name === 'lon' || name === 'lat' || name === 'alt') return { name, piece, place: 'position', isPlain }
  const place = name.length > FLAG.length && name.endsWith(FLAG) ? 'flag' : 'metric'
  return { name, piece, place, isPlain }
}

/** What of a line does not belong to its metrics. */
export interface Aside {
  flags?: [name: string, flag: Scalar][]
  lon?: Scalar
  lat?: Scalar
  alt?: Scalar
}

/** As InfluxDB does: of a field that is there twice, the last counts. */
export function putAside(aside: Aside, { name, place }: Key, value: Scalar): void {
  if (place === 'position') aside[name as 'lon' | 'lat' | 'alt'] = value
  else (aside.flags ??= []).push([name.slice(0, -FLAG.length), value])
}

export function asideOf({ flags, lon, lat, alt }: Aside): { flags?: unknown; position?: unknown } {
  const marks = flags && { flags: Object.fromEntries(flags) }
  if (lon === undefined && lat === undefined && alt === undefined) return { ...marks }
  if (lon === undefined || lat === undefined) throw new LineFault('a position needs lon and lat')
  return { ...marks, position: alt === undefined ? [lon, lat] : [lon, lat, alt] }
}
