import { createHmac, timingSafeEqual } from 'node:crypto'
import { encode, readable } from './crockford.ts'

/** 60 bits: nobody finds one by trying, least of all at the pace that strangers are held to. */
const LENGTH = 12
const BYTES = 8
/** Never in a place's id, and as it is in an address. */
const MARK = '~'

/**
 * What a QR code at a place holds: `{id}~{check code}`. The code is an HMAC-SHA-256 of the id, so whoever has not
 * stood before the print can neither list the places nor make one up, and no table of codes is kept.
 */
export function placeCode(key: string, place: string): string {
  const code = createHmac('sha256', key).update(`place\n${place}`).digest()
  return `${place}${MARK}${encode(code.subarray(0, BYTES), LENGTH)}`
}

/** The id of the place whose code it is; null for what was made up. Checked before any place is looked up. */
export function placeOf(key: string, code: string): string | null {
  const cut = code.lastIndexOf(MARK)
  if (cut <= 0 || code.length > 128) return null
  const place = code.slice(0, cut)
  const given = Buffer.from(place + MARK + readable(code.slice(cut + 1)))
  const right = Buffer.from(placeCode(key, place))
  return given.length === right.length && timingSafeEqual(given, right) ? place : null
}
