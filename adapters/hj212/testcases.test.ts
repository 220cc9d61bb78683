import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { describe, expect, test } from 'vitest'
import { parse } from 'yaml'
import { loadKinds } from '../../gateway/model/kinds.ts'
import { decode, type Fault, type Packet } from './codec.ts'
import type { Checksum } from './crc.ts'
import { explain } from './explain.ts'
import { loadProfiles } from './profile.ts'
import { periodOf, UploadReader } from './readings.ts'
import { Splitter } from './splitter.ts'

const folder = fileURLToPath(new URL('testcases', import.meta.url))
const material = fileURLToPath(new URL('../../../shared/material/hj212-frames.tsv', import.meta.url))
const kinds = loadKinds()
const profiles = loadProfiles()

interface Expected {
  device: { kind: string; profile: string; crc: Checksum }
  frames: Record<string, unknown>[]
}

/** The packets and faults of a stream, cut into chunks of the given size. */
function split(stream: Uint8Array, size: number, crc: Checksum): (Packet | Fault)[] {
  const seen: (Packet | Fault)[] = []
  const splitter = new Splitter({
    onFrame: (segment, sum) => seen.push(decode(segment, sum, crc)),
    onFault: (fault) => seen.push(fault),
  })
  for (let at = 0; at < stream.length; at += size) splitter.push(stream.subarray(at, at + size))
  return seen
}

/** What the gateway makes of a frame, as `expected.yaml` says it. */
function told(packet: Packet | Fault, { kind, profile }: Expected['device']): Record<string, unknown> {
  if ('code' in packet) return { verdict: packet.code }
  const { cn, mn, pnum, pno } = packet
  const head = { verdict: 'right', cn, mn, ...(pnum !== null && { part: `${pno}/${pnum}` }) }
  const period = periodOf(packet)
  if (period === null) return head
  const { ts, values, unmapped } = new UploadReader(profiles.get(profile)!, kinds.get(kind)!).read(packet)
  const flags = values.flatMap(({ metric, flag }) => (flag === undefined ? [] : [[metric, flag]]))
  return {
    ...head,
    period,
    at: typeof ts === 'number' ? new Date(ts).toISOString() : ts,
    values: Object.fromEntries(values.map(({ metric, value }) => [metric, value])),
    ...(flags.length > 0 && { flags: Object.fromEntries(flags) as unknown }),
    ...(unmapped.size > 0 && { unmapped: Object.fromEntries(unmapped) }),
  }
}

describe.each(readdirSync(folder))('%s', (name) => {
  const expected = parse(readFileSync(join(folder, name, 'expected.yaml'), 'utf8')) as Expected
  const lines = readFileSync(join(folder, name, 'input.txt'), 'utf8')
  const stream = Buffer.from(lines.replaceAll('\n', '\r\n'))

  test('gives what is expected, whole and split at every byte', () => {
    for (const size of [stream.length, 1, 2, 7]) {
      const frames = split(stream, size, expected.device.crc).map((packet) => told(packet, expected.device))
      expect(frames).toEqual(expected.frames)
    }
  })
})

const VARIANTS: Record<string, Checksum> = {
  HJ212: 'annex-a',
  MODBUS: 'modbus',
  'MODBUS-byteswapped': 'modbus-swapped',
}

if (!existsSync(material)) process.stderr.write(`frames found in the wild are not tested: no ${material}\n`)
else {
  describe('frames found in the wild', () => {
    const rows = readFileSync(material, 'utf8')
      .split('\n')
      .slice(1)
      .filter((row) => row !== '')
      .map((row) => row.split('\t') as [string, string, string, string, string])

    test.each(rows)('%s', (frame, length, crc, variant) => {
      const stream = Buffer.from(`${frame}\r\n`)
      const algorithm = VARIANTS[variant]
      for (const size of [1, stream.length]) {
        const [strict, ...more] = split(stream, size, 'annex-a')
        expect(more).toEqual([])
        if (length === 'True' && crc === 'True') expect(strict).toHaveProperty('cn')
        else expect(strict).toHaveProperty('code')
        if (length === 'True' && crc === 'False') expect(strict).toHaveProperty('code', 'bad_crc')
        if (algorithm !== undefined) expect(split(stream, size, algorithm)[0]).toHaveProperty('cn')
      }
      // Cut in two at every byte: the verdict is the same.
      const whole = JSON.stringify(split(stream, stream.length, 'annex-a'))
      for (let at = 1; at < stream.length; at++)
        expect(JSON.stringify(split(stream, at, 'annex-a'))).toBe(whole)
      const [explained] = explain(stream)
      expect(explained?.verdict === 'right').toBe(length === 'True' && crc === 'True')
      expect(explained?.checksum ?? null).toBe(algorithm ?? null)
    })
  })
}
