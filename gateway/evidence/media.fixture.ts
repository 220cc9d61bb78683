/** Small files of each medium, made by hand: nothing in them but what the formats ask for. */
import { crc32, deflateSync } from 'node:zlib'

/** A grey picture that any viewer shows; `seed` makes it another one. */
export function png(seed = 0, width = 8, height = 8): Buffer {
  const chunk = (type: string, data: Buffer) => {
    const body = Buffer.concat([Buffer.from(type, 'latin1'), data])
    const frame = Buffer.alloc(8)
    frame.writeUInt32BE(data.byteLength, 0)
    frame.writeUInt32BE(crc32(body), 4)
    return Buffer.concat([frame.subarray(0, 4), body, frame.subarray(4)])
  }
  const header = Buffer.alloc(13)
  header.writeUInt32BE(width, 0)
  header.writeUInt32BE(height, 4)
  header.set([8, 0, 0, 0, 0], 8)
  const rows = Buffer.alloc((width + 1) * height, (seed * 37) % 256)
  for (let row = 0; row < height; row++) rows[row * (width + 1)] = 0
  return Buffer.concat([
    Buffer.from('89504e470d0a1a0a', 'hex'),
    chunk('IHDR', header),
    chunk('IDAT', deflateSync(rows)),
    chunk('IEND', Buffer.alloc(0)),
  ])
}

/** With EXIF that claims a time, an offset and a place: 32° 3′ 42″ N, 120° 49′ 12″ E. */
export function jpeg(comment = 'grid'): Buffer {
  const segment = (code: number, data: Buffer) => {
    const head = Buffer.from([0xff, code, 0, 0])
    head.writeUInt16BE(data.byteLength + 2, 2)
    return Buffer.concat([head, data])
  }
  return Buffer.concat([
    Buffer.from([0xff, 0xd8]),
    segment(0xe1, Buffer.concat([Buffer.from('Exif\0\0', 'latin1'), tiff()])),
    segment(0xfe, Buffer.from(comment)),
    segment(0xc0, Buffer.from([8, 0, 8, 0, 8, 1, 1, 0x11, 0])),
    segment(0xda, Buffer.from([1, 1, 0, 0, 63, 0])),
    Buffer.from([0x55, 0xff, 0x00, 0x55, 0xff, 0xd9]),
  ])
}

/** EXIF 2.3: a big-endian TIFF with a directory that leads to two others. */
function tiff(): Buffer {
  const at = { exif: 38, gps: 68, time: 122, offset: 142, lat: 149, lon: 173 }
  const buffer = Buffer.alloc(197)
  buffer.write('MM\0*', 'latin1')
  buffer.writeUInt32BE(8, 4)
  let to = 8
  const directory = (entries: [tag: number, type: number, count: number, value: number | string][]) => {
    buffer.writeUInt16BE(entries.length, to)
    to += 2
    for (const [tag, type, count, value] of entries) {
      buffer.writeUInt16BE(tag, to)
      buffer.writeUInt16BE(type, to + 2)
      buffer.writeUInt32BE(count, to + 4)
      if (typeof value === 'string') buffer.write(value, to + 8, 'latin1')
      else buffer.writeUInt32BE(value, to + 8)
      to += 12
    }
    to += 4
  }
  directory([
    [0x8769, 4, 1, at.exif],
    [0x8825, 4, 1, at.gps],
  ])
  directory([
    [0x9003, 2, 20, at.time],
    [0x9011, 2, 7, at.offset],
  ])
  directory([
    [1, 2, 2, 'N\0'],
    [2, 5, 3, at.lat],
    [3, 2, 2, 'E\0'],
    [4, 5, 3, at.lon],
  ])
  buffer.write('2024:06:01 12:00:00\0', at.time, 'latin1')
  buffer.write('+08:00\0', at.offset, 'latin1')
  const degrees = (place: number, parts: number[]) =>
    parts.forEach((part, i) => {
      buffer.writeUInt32BE(part, place + i * 8)
      buffer.writeUInt32BE(1, place + i * 8 + 4)
    })
  degrees(at.lat, [32, 3, 42])
  degrees(at.lon, [120, 49, 12])
  return buffer
}

/** `bytes` of media data. */
export function mp4(bytes = 64, brand = 'isom'): Buffer {
  const box = (type: string, data: Buffer) => {
    const head = Buffer.alloc(8)
    head.writeUInt32BE(data.byteLength + 8, 0)
    head.write(type, 4, 'latin1')
    return Buffer.concat([head, data])
  }
  return Buffer.concat([
    box('ftyp', Buffer.from(`${brand}\0\0\x02\0isomiso2mp41`, 'latin1')),
    box('moov', box('mvhd', Buffer.alloc(100))),
    box('mdat', Buffer.alloc(bytes, 7)),
  ])
}
