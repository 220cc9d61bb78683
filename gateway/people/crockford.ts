/**
 * Crockford's base 32 (crockford.com/base32.html): digits and capitals without I, L, O and U, so that what was read
 * aloud, copied by hand or typed on a small screen still arrives.
 */
export const SYMBOLS = '0123456789ABCDEFGHJKMNPQRSTVWXYZ'

/** The first `length` symbols of what the bytes hold, five bits each; the bytes must hold as many. */
export function encode(bytes: Uint8Array, length: number): string {
  let text = ''
  let held = 0
  let bits = 0
  for (const byte of bytes) {
    held = ((held << 8) | byte) & 0xfff
    bits += 8
    while (bits >= 5 && text.length < length) {
      bits -= 5
      text += SYMBOLS[(held >> bits) & 31]
    }
  }
  if (text.length < length) throw new RangeError(`${bytes.length} bytes are not ${length} symbols`)
  return text
}

/** What a person typed, as symbols: any case, with blanks and hyphens, full-width, O for 0, I and L for 1. */
export function readable(typed: string): string {
  return typed
    .normalize('NFKC')
    .toUpperCase()
    .replaceAll(/[\s-]/g, '')
    .replaceAll('O', '0')
    .replaceAll(/[IL]/g, '1')
}
