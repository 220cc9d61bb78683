import { isUtf8 } from 'node:buffer'
import type { WireText } from '../../gateway/model/pipeline.ts'
import type { Checksum } from './crc.ts'

/** Frames of one message that are kept, bytes: sixteen of the longest that are taken. */
const KEPT_BYTES = 65_536
const HEAD = 6
const CRC = 4

/** A frame as it came, on a copy of its own, without the password. */
export interface KeptFrame {
  readonly bytes: Buffer
  readonly isMasked: boolean
}

/**
 * `##LLLL…CCCC` with each character of a password (PW) as `*`, so that LLLL stays right. The checksum is masked with
 * it: it is one of 65,536, a password of six digits one of a million, and two frames would tell it.
 */
export function keptFrame(frame: Uint8Array): KeptFrame {
  const text = Buffer.from(frame.buffer, frame.byteOffset, frame.byteLength).toString('latin1')
  const segment = text.slice(HEAD, -CRC)
  const start = Math.max(0, segment.indexOf('CP=&&'))
  const head = hide(segment.slice(0, start), HEAD_PW)
  const rest = hide(segment.slice(start), CP_PW)
  const isMasked = head.isMasked || rest.isMasked
  const whole = isMasked ? `${text.slice(0, HEAD)}${head.text}${rest.text}${'*'.repeat(CRC)}` : text
  return { bytes: Buffer.from(whole, 'latin1'), isMasked }
}

/** In the head a password may be anything up to the next field; none is expected in CP. */
const HEAD_PW = /(^|[;,])(PW=)([^;]+)/gi
const CP_PW = /([;,&])(PW=)([^;,&]+)/gi

function hide(text: string, pattern: RegExp): { text: string; isMasked: boolean } {
  let isMasked = false
  const hidden = text.replace(pattern, (_, before: string, name: string, value: string) => {
    isMasked = true
    return `${before}${name}${'*'.repeat(value.length)}`
  })
  return { text: hidden, isMasked }
}

/** What is kept of a message's frames, whose checksum was right. */
export function wireTextOf(frames: readonly KeptFrame[], checksum: Checksum): WireText {
  let size = 0
  const kept = frames.filter(({ bytes }) => (size += bytes.length) <= KEPT_BYTES)
  const encoding = kept.every(({ bytes }) => isUtf8(bytes)) ? 'utf8' : 'base64'
  return {
    wire: 'hj212',
    frames: kept.map(({ bytes }) => bytes.toString(encoding)),
    ...(encoding === 'base64' && { encoding }),
    checksum,
    masked: kept.some(({ isMasked }) => isMasked) ? ['PW', 'checksum'] : [],
    ...(kept.length < frames.length && { leftOut: frames.length - kept.length }),
  }
}
