import * as fc from 'fast-check'
import { expect, test } from 'vitest'
import { AnswerReader, stampOf, UploadTemplate } from './hj212-frames.ts'

test('a frame has the length and the checksum that it says, whatever its time', () => {
  const template = new UploadTemplate('A1', { fume: 2.35, nmhc: 8.4, fan: true, fan_current: 3 })
  const out = Buffer.alloc(template.size + 3)
  template.write(out, 3, 240601120000123)
  expect(out.subarray(3).toString()).toBe(
    '##0159QN=20240601120000123;ST=31;CN=2011;PW=123456;MN=A1;Flag=5;CP=&&DataTime=20240601120000123;' +
      'a34041-Rtd=2.35,a34041-Flag=N;a24088-Rtd=8.4,a24088-Flag=N;SB1-RS=1&&CB81\r\n',
  )
})

test('times are those of Beijing, to the millisecond', () => {
  expect(stampOf(Date.UTC(2024, 5, 1, 4, 0, 0, 7))).toBe(240601120000007)
  expect(stampOf(Date.UTC(2023, 11, 31, 16, 0, 1, 999))).toBe(240101000001999)
})

test('acknowledgements of data are found wherever the stream is cut, and nothing else is taken for one', () => {
  const stream = Buffer.from(
    '##0087QN=20240601120000123;ST=91;CN=9014;PW=123456;MN=320613000000000000000001;Flag=4;CP=&&&&8C41\r\n' +
      '##0087QN=20240601120000124;ST=91;CN=9013;PW=123456;MN=320613000000000000000001;Flag=4;CP=&&&&8C41\r\n' +
      '##0087QN=20240601120000125;ST=91;CN=9014;PW=123456;MN=320613000000000000000001;Flag=4;CP=&&&&8C41\r\n',
  )
  fc.assert(
    fc.property(fc.array(fc.integer({ min: 1, max: 60 }), { minLength: 1 }), (sizes) => {
      const seen: number[] = []
      const reader = new AnswerReader((stamp) => seen.push(stamp))
      for (let at = 0, turn = 0; at < stream.length; turn++) {
        const size = sizes[turn % sizes.length]!
        reader.push(stream.subarray(at, at + size))
        at += size
      }
      expect(seen).toEqual([240601120000123, 240601120000125])
    }),
  )
})
