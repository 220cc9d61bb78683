import type { WireForm, WireFrames, WireText } from '../model/pipeline.ts'
import { GrowingBytes } from './growing-bytes.ts'
import { isUtf8 } from 'node:buffer'

/** What came over the wire for the messages of one batch; `format.ts` has the layout. */
export class Frames {
  readonly #bytes: GrowingBytes
  /** The same objects for all messages, so finding them is a comparison or two. */
  readonly #forms: WireForm[] = []

  constructor(buffer: ArrayBuffer) {
    this.#bytes = new GrowingBytes(buffer)
  }

  /** Of the message that begins with the batch's reading `index`. Copies what it is given. */
  add(index: number, { form, frames, leftOut }: WireFrames): void {
    let number = this.#forms.indexOf(form)
    if (number < 0) number = this.#forms.push(form) - 1
    const bytes = this.#bytes
    const at = bytes.reserve(FRAME_HEADER)
    bytes.view.setUint32(at, index, true)
    bytes.view.setUint16(at + 4, number, true)
    bytes.view.setUint16(at + 6, frames.length, true)
    bytes.view.setUint32(at + 8, leftOut, true)
    for (const frame of frames) {
      const length = bytes.reserve(4)
      bytes.view.setUint32(length, frame.length, true)
      bytes.append(frame)
    }
  }

  /** Hands the memory over: nothing can be added any more. */
  close(): { readonly buffer: ArrayBuffer; readonly size: number } {
    const bytes = this.#bytes
    const forms = Buffer.from(JSON.stringify(this.#forms))
    bytes.append(forms)
    // Reserved first: that may put another view in place of the present one.
    const at = bytes.reserve(4)
    bytes.view.setUint32(at, forms.length, true)
    return { buffer: bytes.bytes.buffer, size: bytes.size }
  }
}

/** Of a message, before its frames: index, form, how many frames, how many were left out. */
const FRAME_HEADER = 12

/** By the number of each message's first reading; throws when the body does not add up. */
export function wireTextsOf(first: number, body: Uint8Array): ReadonlyMap<number, WireText> {
  const view = new DataView(body.buffer, body.byteOffset, body.byteLength)
  const bytes = Buffer.from(body.buffer, body.byteOffset, body.byteLength)
  const end = bytes.length - 4 - view.getUint32(bytes.length - 4, true)
  const forms = JSON.parse(bytes.toString('utf8', end, bytes.length - 4)) as WireForm[]
  const texts = new Map<number, WireText>()
  let at = 0
  while (at < end) {
    const index = view.getUint32(at, true)
    const form = forms[view.getUint16(at + 4, true)]!
    const count = view.getUint16(at + 6, true)
    const leftOut = view.getUint32(at + 8, true)
    at += FRAME_HEADER
    const frames: Buffer[] = []
    for (let i = 0; i < count; i++) {
      const length = view.getUint32(at, true)
      frames.push(bytes.subarray(at + 4, at + 4 + length))
      at += 4 + length
    }
    texts.set(first + index, textOf(form, frames, leftOut))
  }
  return texts
}

function textOf(form: WireForm, frames: readonly Buffer[], leftOut: number): WireText {
  const encoding = frames.every((frame) => isUtf8(frame)) ? 'utf8' : 'base64'
  return {
    ...form,
    frames: frames.map((frame) => frame.toString(encoding)),
    ...(encoding === 'base64' && { encoding }),
    ...(leftOut > 0 && { leftOut }),
  }
}
