import type { WireForm, WireFrames } from '../../gateway/model/pipeline.ts'
import { AMPERSAND, COMMA, CP, EQUALS, SEMICOLON } from './codec.ts'
import { CHECKSUMS, type Checksum } from './crc.ts'

/** Frames of one message that are kept, bytes: sixteen of the longest that are taken. */
const KEPT_BYTES = 65_536
const HEAD = 6
const CRC = 4

/** A frame as it came, without the password. */
export interface KeptFrame {
  readonly bytes: Uint8Array
  readonly isMasked: boolean
}

/**
 * `##LLLL…CCCC` with each character of a password (PW) overwritten by `*` where it stands, so that LLLL stays right.
 * The checksum is masked with it: it is one of 65,536, a password of six digits one of a million, and two frames would
 * tell it.
 */
export function masked(frame: Buffer): KeptFrame {
  const end = frame.length - CRC
  const cp = frame.indexOf(CP, HEAD)
  const headEnd = cp < 0 ? HEAD : cp
  const isInHead = hide(frame, HEAD, headEnd, true)
  const isMasked = hide(frame, headEnd, end, false) || isInHead
  if (isMasked) frame.fill(STAR, end)
  return { bytes: frame, isMasked }
}

/** In the head a password may be anything up to the next field; none is expected in CP. */
function hide(frame: Buffer, from: number, to: number, isHead: boolean): boolean {
  let isHidden = false
  for (let at = from; at < to; at++) {
    if (frame[at] !== EQUALS || !isPassword(frame, from, at, isHead)) continue
    const start = at + 1
    for (at = start; at < to; at++) {
      const byte = frame[at]
      if (byte === SEMICOLON || (!isHead && (byte === COMMA || byte === AMPERSAND))) break
    }
    if (at === start) continue
    frame.fill(STAR, start, at)
    isHidden = true
  }
  return isHidden
}

/** Whether the name before the `=` is PW, in letters of either case. */
function isPassword(frame: Buffer, from: number, equals: number, isHead: boolean): boolean {
  const start = equals - 2
  if (start < from || (frame[start]! | SMALL) !== SMALL_P || (frame[start + 1]! | SMALL) !== SMALL_W)
    return false
  if (start === from) return isHead
  const before = frame[start - 1]
  return before === SEMICOLON || before === COMMA || (!isHead && before === AMPERSAND)
}

const STAR = 0x2a
const SMALL = 0x20
const SMALL_P = 0x70
const SMALL_W = 0x77

const FORMS = new Map(
  CHECKSUMS.map((checksum) => [
    checksum,
    {
      plain: { wire: 'hj212', checksum, masked: [] } satisfies WireForm,
      masked: { wire: 'hj212', checksum, masked: ['PW', 'checksum'] } satisfies WireForm,
    },
  ]),
)

/** What is kept of a message's frames, whose checksum was right. */
export function wireFramesOf(frames: readonly KeptFrame[], checksum: Checksum): WireFrames {
  let size = 0
  const kept = frames.filter(({ bytes }) => (size += bytes.length) <= KEPT_BYTES)
  return {
    form: FORMS.get(checksum)![kept.some(({ isMasked }) => isMasked) ? 'masked' : 'plain'],
    frames: kept.map(({ bytes }) => bytes),
    leftOut: frames.length - kept.length,
  }
}
