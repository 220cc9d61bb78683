import * as fc from 'fast-check'
import { expect, test } from 'vitest'
import { masked, wireFramesOf } from './kept-frame.ts'

const kept = (text: string) => {
  const [frame] = wireFramesOf([masked(Buffer.from(text, 'latin1'))], 'annex-a').frames
  return Buffer.from(frame!).toString('latin1')
}

test.each([
  ['##0027CN=2011;PW=123456;MN=a;CP=&&&&5A00', '##0027CN=2011;PW=******;MN=a;CP=&&&&****'],
  ['##0026PW=12,4&6;CN=2011;MN=a;CP=&&&&5A00', '##0026PW=******;CN=2011;MN=a;CP=&&&&****'],
  ['##0026CN=2011;pw=12;PW=34;MN=a;CP=&&&&5A00', '##0026CN=2011;pw=**;PW=**;MN=a;CP=&&&&****'],
  ['##0026CN=2011;MN=a;CP=&&PW=12,a=1;PW=34&&5A00', '##0026CN=2011;MN=a;CP=&&PW=**,a=1;PW=**&&****'],
])(
  'the password is masked wherever it stands, and the checksum that would help to guess it: %s',
  (sent, expected) => {
    expect(kept(sent)).toBe(expected)
    expect(expected).toHaveLength(sent.length)
  },
)

test.each(['##0017CN=2011;MN=a;CP=&&&&5a00', '##0021CN=2011;PW=;MN=a;CP=&&SPW=1&&5A00'])(
  'a frame without a password is kept as it came: %s',
  (sent) => {
    expect(kept(sent)).toBe(sent)
    expect(wireFramesOf([masked(Buffer.from(sent))], 'modbus').form).toEqual({
      wire: 'hj212',
      checksum: 'modbus',
      masked: [],
    })
  },
)

test('what is masked is what the patterns of a password find, in any frame', () => {
  const byPatterns = (text: string) => {
    const segment = text.slice(6, -4)
    const start = segment.indexOf('CP=&&')
    let isFound = false
    const hide = (part: string, pattern: RegExp) =>
      part.replace(pattern, (_, name: string, value: string) => {
        isFound = true
        return name + '*'.repeat(value.length)
      })
    const head = hide(segment.slice(0, start), /((?:^|[;,])PW=)([^;]+)/gi)
    const rest = hide(segment.slice(start), /([;,&]PW=)([^;,&]+)/gi)
    return !isFound ? text : `${text.slice(0, 6)}${head}${rest}****`
  }
  const part = fc.oneof(
    fc.constantFrom('PW=', 'pw=', 'Pw=', 'PW', ';', ',', '=', '&&', 'CP=&&', 'MN=a', '油烟', 'xPW=1'),
    fc.string({ maxLength: 5 }),
  )
  fc.assert(
    fc.property(fc.array(part, { maxLength: 12 }), fc.array(part, { maxLength: 12 }), (head, cp) => {
      const text = Buffer.from(`##0000${head.join('')}CP=&&${cp.join('')}1C80`).toString('latin1')
      expect(kept(text)).toBe(byPatterns(text))
    }),
    { numRuns: 5000 },
  )
})

test('bytes that are no UTF-8 are kept too', () => {
  const bytes = Buffer.concat([
    Buffer.from('##0020CN=2011;MN=a;CP=&&i='),
    Buffer.from([0xd6, 0xd0]),
    Buffer.from('&&1234'),
  ])
  expect(wireFramesOf([masked(Buffer.from(bytes))], 'annex-a').frames).toEqual([bytes])
})

test('what is kept of one message is bounded, and what is left out is said', () => {
  const long = masked(Buffer.from(`##4096CN=2011;MN=a;CP=&&${'x'.repeat(4074)}&&5A00`))
  const { frames, leftOut } = wireFramesOf(
    Array.from({ length: 64 }, () => long),
    'annex-a',
  )
  expect(frames).toHaveLength(15)
  expect(leftOut).toBe(49)
})
