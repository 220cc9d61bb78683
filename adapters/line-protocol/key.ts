import { unescapeName } from './head.ts'
import { LineFault } from './line-fault.ts'

const FLAG = '_flag'

/** A field key as it is written, its `=` included, and as it is in JSON, its `:` included. */
export interface Key {
  readonly name: string
  readonly written: Buffer
  readonly json: Buffer
  readonly place: 'metric' | 'flag' | 'position'
  /** Whether an object can be given it by assignment: `__proto__` means something else there. */
  readonly isPlain: boolean
}

export function keyOf(written: Buffer): Key {
  const name = unescapeName(written.toString('utf8', 0, written.length - 1))
  const json = Buffer.from(`${JSON.stringify(name)}:`)
  const isPlain = name !== '__proto__'
  if (name === 'lon' || name === 'lat' || name === 'alt')
    return { name, written, json, place: 'position', isPlain }
  const place = name.length > FLAG.length && name.endsWith(FLAG) ? 'flag' : 'metric'
  return { name, written, json, place, isPlain }
}

/** What of a line does not belong to its metrics: JSON texts. */
export interface Aside {
  flags: string
  lon?: string
  lat?: string
  alt?: string
}

/** As InfluxDB does, and JSON: of a field that is there twice, the last counts. */
export function putAside(aside: Aside, { name, place }: Key, json: string): void {
  if (place === 'position') aside[name as 'lon' | 'lat' | 'alt'] = json
  else aside.flags += `${aside.flags === '' ? '' : ','}${JSON.stringify(name.slice(0, -FLAG.length))}:${json}`
}

export function asideText({ flags, lon, lat, alt }: Aside): string {
  const marks = flags === '' ? '' : `,"flags":{${flags}}`
  if (lon === undefined && lat === undefined && alt === undefined) return marks
  if (lon === undefined || lat === undefined) throw new LineFault('a position needs lon and lat')
  return `${marks},"position":[${lon},${lat}${alt === undefined ? '' : `,${alt}`}]`
}
