import type { WireForm, WireFrames } from '../../gateway/model/pipeline.ts'
import { AMPERSAND, COMMA, EQUALS, SEMICOLON } from './codec.ts'
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
  let isMasked = false
  // In the head a password may be anything up to the next field; none is expected in CP.
  let isHead = true
  for (let at = HEAD; at < end; at++) {
    // Both PW= and CP= have a P, and little else has.
    if ((frame[at]! | SMALL) !== SMALL_P) continue
    if (isHead && isCp(frame, at)) isHead = false
    else if (isPassword(frame, at, isHead)) {
      const from = at + 3
      at = isHead ? endInHead(frame, from, end) : endInCp(frame, from, end)
      for (let i = from; i < at; i++) frame[i] = STAR
      isMasked ||= at > from
    }
  }
  if (isMasked) for (let i = end; i < frame.length; i++) frame[i] = STAR
  return { bytes: frame, isMasked }
}

/** `CP=&&` with its P there. */
function isCp(frame: Buffer, at: number): boolean {
  return (
    frame[at] === LARGE_P &&
    frame[at - 1] === LARGE_C &&
    at > HEAD &&
    frame[at + 1] === EQUALS &&
    frame[at + 2] === AMPERSAND &&
    frame[at + 3] === AMPERSAND
  )
}

/** Whether a field begins there whose name is PW, in letters of either case. */
function isPassword(frame: Buffer, at: number, isHead: boolean): boolean {
  if ((frame[at + 1]! | SMALL) !== SMALL_W || frame[at + 2] !== EQUALS) return false
  if (at === HEAD) return isHead
  const before = frame[at - 1]
  return before === SEMICOLON || before === COMMA || (!isHead && before === AMPERSAND)
}

function endInHead(frame: Buffer, from: number, end: number): number {
  let at = from
  while (at < end && frame[at] !== SEMICOLON && !(frame[at] === LARGE_C && isCp(frame, at + 1))) at++
  return at
}

function endInCp(frame: Buffer, from: number, end: number): number {
  let at = from
  while (at < end && frame[at] !== SEMICOLON && frame[at] !== COMMA && frame[at] !== AMPERSAND) at++
  return at
}

const STAR = 0x2a
const LARGE_C = 0x43
const LARGE_P = 0x50
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
  const forms = FORMS.get(checksum)!
  const [first] = frames
  if (frames.length === 1)
    return { form: forms[first!.isMasked ? 'masked' : 'plain'], frames: [first!.bytes], leftOut: 0 }
  let size = 0
  const kept = frames.filter(({ bytes }) => (size += bytes.length) <= KEPT_BYTES)
  return {
    form: forms[kept.some(({ isMasked }) => isMasked) ? 'masked' : 'plain'],
    frames: kept.map(({ bytes }) => bytes),
    leftOut: frames.length - kept.length,
  }
}
