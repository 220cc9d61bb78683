import { open, type FileHandle } from 'node:fs/promises'
import exifr from 'exifr'
import { fileTypeFromBuffer } from 'file-type'

/** What evidence may be; whatever a client calls it. */
export const MEDIA = {
  'image/jpeg': { kind: 'photo', extension: 'jpg' },
  'image/png': { kind: 'photo', extension: 'png' },
  'video/mp4': { kind: 'video', extension: 'mp4' },
} as const
export type Media = keyof typeof MEDIA

/** What a file says of itself. Anybody can write anything there: it is shown as claimed and counts for nothing. */
export interface Claimed {
  /** As the camera wrote it, without a zone unless it gave one: `2024:06:01 12:00:00`. */
  readonly takenAt?: string
  /** WGS-84 [lon, lat]. */
  readonly position?: readonly [number, number]
}

/** Read of a file's beginning to find its type and what it claims, bytes. */
const HEAD = 256 * 1024
/** Segments, chunks or boxes of one file that are looked at. */
const PIECES = 20_000
/** A picture beyond this, in pixels, is not shown to anybody's memory. */
const PIXELS = 200_000_000

/**
 * The type by what the bytes are, not by name: magic number, then the structure from the first byte to the end.
 * A text is what is wrong with it. {@link HEAD} bytes of it are in memory at most.
 */
export async function mediaOf(path: string, size: number): Promise<Media | { readonly fault: string }> {
  const file = await open(path, 'r')
  try {
    const head = await readAt(file, 0, Math.min(size, HEAD))
    const found = (await fileTypeFromBuffer(head).catch(() => undefined))?.mime
    const fault = (text: string) => ({ fault: text })
    if (found === undefined || !Object.hasOwn(MEDIA, found))
      return fault(`${found === undefined ? 'no picture or video' : found}; expected JPEG, PNG or MP4`)
    const media = found as Media
    const wrong = await STRUCTURE[media](file, size)
    return wrong === null ? media : fault(`${media}: ${wrong}`)
  } finally {
    await file.close()
  }
}

/** EXIF of a photo, as far as it lies in its first {@link HEAD} bytes; null where there is none or it is nonsense. */
export async function claimedBy(path: string, media: Media): Promise<Claimed | null> {
  if (MEDIA[media].kind !== 'photo') return null
  const file = await open(path, 'r')
  try {
    const { size } = await file.stat()
    const head = await readAt(file, 0, Math.min(size, HEAD))
    // oxlint-disable-next-line import/no-named-as-default-member -- Node sees no names in a CommonJS module like this
    const tags: unknown = await exifr.parse(head, {
      pick: [
        'DateTimeOriginal',
        'OffsetTimeOriginal',
        'GPSLatitude',
        'GPSLongitude',
        'GPSLatitudeRef',
        'GPSLongitudeRef',
      ],
      reviveValues: false,
    })
    return claims(tags)
  } catch {
    // Whatever is wrong with it: it counts for nothing anyway.
    return null
  } finally {
    await file.close()
  }
}

function claims(tags: unknown): Claimed | null {
  if (typeof tags !== 'object' || tags === null) return null
  const {
    DateTimeOriginal: time,
    OffsetTimeOriginal: offset,
    latitude,
    longitude,
  } = tags as Record<string, unknown>
  const takenAt =
    typeof time === 'string' && /^[\d: -]{10,19}$/.test(time)
      ? time + (typeof offset === 'string' && /^[+-]\d\d:\d\d$/.test(offset) ? offset : '')
      : undefined
  const isDegrees = (value: unknown, most: number): value is number =>
    typeof value === 'number' && Number.isFinite(value) && Math.abs(value) <= most
  const position =
    isDegrees(longitude, 180) && isDegrees(latitude, 90)
      ? ([round(longitude), round(latitude)] as const)
      : undefined
  if (takenAt === undefined && position === undefined) return null
  return { ...(takenAt !== undefined && { takenAt }), ...(position !== undefined && { position }) }
}

const round = (degrees: number): number => Math.round(degrees * 1e6) / 1e6

type Check = (file: FileHandle, size: number) => Promise<string | null>

const STRUCTURE: Readonly<Record<Media, Check>> = {
  'image/jpeg': checkJpeg,
  'image/png': checkPng,
  'video/mp4': checkMp4,
}

/** ITU-T T.81 annex B: segments from SOI to the first scan, with a frame header among them, and an EOI behind it. */
async function checkJpeg(file: FileHandle, size: number): Promise<string | null> {
  let at = 2
  let hasFrame = false
  for (let pieces = 0; pieces < PIECES; pieces++) {
    const marker = await readAt(file, at, 4)
    if (marker.byteLength < 4 || marker[0] !== 0xff) return `no segment at byte ${at}`
    const code = marker[1]!
    // Fill bytes may precede a marker (B.1.1.2).
    if (code === 0xff) {
      at++
      continue
    }
    const length = marker.readUInt16BE(2)
    if (length < 2 || at + 2 + length > size) return `the segment at byte ${at} reaches beyond the end`
    // SOF0 to SOF15, without DHT, JPG and DAC that lie among them.
    if (code >= 0xc0 && code <= 0xcf && ![0xc4, 0xc8, 0xcc].includes(code)) {
      const frame = await readAt(file, at + 4, 5)
      if (frame.byteLength < 5) return 'the frame header is cut off'
      const fault = sizeFault(frame.readUInt16BE(3), frame.readUInt16BE(1))
      if (fault !== null) return fault
      hasFrame = true
    }
    at += 2 + length
    if (code !== 0xda) continue
    if (!hasFrame) return 'a scan without a frame'
    return (await hasMarker(file, at, 0xd9)) ? null : 'it is cut off'
  }
  return 'too many segments'
}

async function hasMarker(file: FileHandle, from: number, code: number): Promise<boolean> {
  let last = 0
  for (let at = from; ; at += HEAD) {
    const bytes = await readAt(file, at, HEAD)
    if (bytes.byteLength === 0) return false
    if (last === 0xff && bytes[0] === code) return true
    if (bytes.includes(Buffer.from([0xff, code]))) return true
    last = bytes.at(-1)!
  }
}

/** ISO/IEC 15948 §5: IHDR first, chunks one after another, IEND last. */
async function checkPng(file: FileHandle, size: number): Promise<string | null> {
  let at = 8
  let hasData = false
  for (let pieces = 0; pieces < PIECES; pieces++) {
    const header = await readAt(file, at, 16)
    if (header.byteLength < 8) return 'it is cut off'
    const length = header.readUInt32BE(0)
    const type = header.toString('latin1', 4, 8)
    if (!/^[A-Za-z]{4}$/.test(type)) return `no chunk at byte ${at}`
    if (at + 12 + length > size) return `the chunk ${type} reaches beyond the end`
    if (pieces === 0) {
      if (type !== 'IHDR' || length !== 13) return 'no header'
      const fault = sizeFault(header.readUInt32BE(8), header.readUInt32BE(12))
      if (fault !== null) return fault
    }
    hasData ||= type === 'IDAT'
    if (type === 'IEND') return hasData ? null : 'no picture in it'
    at += 12 + length
  }
  return 'too many chunks'
}

/** ISO/IEC 14496-12 §4.2: boxes one after another to the last byte, `ftyp` first, `moov` and media data among them. */
async function checkMp4(file: FileHandle, size: number): Promise<string | null> {
  const seen = new Set<string>()
  let at = 0
  for (let pieces = 0; at < size; pieces++) {
    if (pieces === PIECES) return 'too many boxes'
    const header = await readAt(file, at, 16)
    if (header.byteLength < 8) return 'it is cut off'
    const short = header.readUInt32BE(0)
    const type = header.toString('latin1', 4, 8)
    // 1: the length is in the next eight bytes; 0: to the end of the file.
    const long = short === 1 && header.byteLength === 16 ? Number(header.readBigUInt64BE(8)) : short
    const length = short === 0 ? size - at : long
    if (length < 8 || at + length > size) return `the box at byte ${at} reaches beyond the end`
    if (at === 0 && type !== 'ftyp') return 'no file type'
    seen.add(type)
    at += length
  }
  if (!seen.has('moov')) return 'no description of its tracks (moov)'
  return seen.has('mdat') || seen.has('moof') ? null : 'no media data'
}

function sizeFault(width: number, height: number): string | null {
  if (width === 0 || height === 0) return 'it has no size'
  return width * height > PIXELS ? `more than ${PIXELS} pixels` : null
}

async function readAt(file: FileHandle, at: number, length: number): Promise<Buffer> {
  const buffer = Buffer.alloc(length)
  const { bytesRead } = await file.read(buffer, 0, length, at)
  return buffer.subarray(0, bytesRead)
}
