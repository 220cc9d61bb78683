import { existsSync, readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { annexA, frameOf, framesIn, modbus, timeOf, writtenTime } from './hj212-frame.ts'

const found = (line: string) => [...framesIn(line)].map(({ text }) => text)
const STANDARD =
  '##0101QN=20160801085857223;ST=32;CN=1062;PW=100000;MN=010000A8900016F000169DC0;Flag=5;CP=&&RtdInterval=30&&1C80'
const LOWER =
  '##0136ST=32;CN=2011;PW=000000;MN=LD130133000015;CP=&&DataTime=20160824003817;011-Rtd=231.0,011-Flag=N;B01-Rtd=36.91;060-Rtd=1.803,060-Flag=N&&1dc0'

test.each([
  ['123456789', 0x2f80, 0x4b37],
  ['', 0xffff, 0xffff],
])('the checksums of %j', (text, ours, theirs) => {
  expect([annexA(Buffer.from(text)), modbus(Buffer.from(text))]).toEqual([ours, theirs])
})

test('the example of the standard is made as it stands there', () => {
  expect(frameOf(STANDARD.slice(6, -4))).toBe(`${STANDARD}\r\n`)
})

test('times are of Beijing, and the 32nd of a month is none', () => {
  expect(timeOf('20240601120000123')).toBe(Date.parse('2024-06-01T12:00:00.123+08:00'))
  expect(timeOf('20240601120000')).toBe(Date.parse('2024-06-01T12:00:00+08:00'))
  expect(timeOf('20240632120000')).toBeNull()
  expect(writtenTime(Date.parse('2024-06-01T12:00:00.123+08:00'))).toBe('20240601120000123')
})

describe('frames are found in a line of a log', () => {
  test.each([
    ['alone', STANDARD, [STANDARD]],
    ['behind a time and a peer', `2016-08-01 08:58:57 10.0.0.7 recv ${STANDARD}`, [STANDARD]],
    ['two of them', `${STANDARD}${LOWER}`, [STANDARD, LOWER]],
    ['before a remark', `"${LOWER}", ok`, [LOWER]],
    ['none', 'connected ## 12', []],
    ['one whose length is wrong', `x ##0099${STANDARD.slice(6)}\tbroken`, [`##0099${STANDARD.slice(6)}`]],
    ['one that is cut', '##0136ST=32;CN=2011;PW=00', ['##0136ST=32;CN=2011;PW=00']],
  ])('%s', (_, line, frames) => {
    expect(found(line)).toEqual(frames)
  })
})

describe('a frame whose times are moved', () => {
  const moved = (text: string, by: number) => [...framesIn(text)][0]!.moved(by).toString('latin1')

  test('is right as it was right, in the letters in which it was', () => {
    const by = Date.parse('2026-10-01T00:00:00+08:00') - timeOf('20160824003817')!
    const frame = moved(LOWER, by)
    expect(frame).toContain('DataTime=20261001000000;')
    expect(frame).toBe(
      `##0136${frame.slice(6, 142)}${annexA(Buffer.from(frame.slice(6, 142)))
        .toString(16)
        .padStart(4, '0')}\r\n`,
    )
  })

  test('is as wrong as it was wrong, and the same bytes when nothing is moved', () => {
    const wrong = `${STANDARD.slice(0, -4)}1C08`
    expect(moved(wrong, 1000).slice(-6, -2)).toBe('1C08')
    expect(moved(wrong, 0)).toBe(`${wrong}\r\n`)
  })

  test('keeps a checksum of Modbus one of Modbus', () => {
    const segment = STANDARD.slice(6, -4)
    const sent = `##0101${segment}${modbus(Buffer.from(segment)).toString(16).toUpperCase().padStart(4, '0')}`
    const frame = moved(sent, 60_000)
    expect(frame).toContain('QN=20160801085957223')
    expect(parseInt(frame.slice(-6, -2), 16)).toBe(modbus(Buffer.from(frame.slice(6, -6))))
  })

  test('comes back when it is moved back', () => {
    fc.assert(
      fc.property(fc.integer({ min: -1e9, max: 1e9 }), (by) => {
        const there = moved(LOWER, by * 1000).trimEnd()
        // A checksum without letters does not say in which they would be.
        expect(moved(there, -by * 1000).toLowerCase()).toBe(`${LOWER}\r\n`.toLowerCase())
      }),
    )
  })
})

const material = fileURLToPath(new URL('../../shared/material/hj212-frames.tsv', import.meta.url))
test.skipIf(!existsSync(material))(
  'every frame of ../shared/material/hj212-frames.tsv is found as it stands there',
  () => {
    const rows = readFileSync(material, 'latin1').trim().split('\n').slice(1)
    expect(rows.length).toBeGreaterThan(50)
    for (const row of rows) {
      const [frame = '', isLong, isRight] = row.split('\t')
      const [first = ''] = found(row)
      if (isLong === 'True' && isRight === 'True')
        expect(first.length).toBe(12 + Number(frame.slice(2, 6)) - 2)
      if (frame.startsWith('##')) expect(frame.startsWith(first) && first !== '').toBe(true)
    }
  },
)
