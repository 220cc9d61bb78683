import { expect, test } from 'vitest'
import { keptFrame, wireTextOf } from './kept-frame.ts'

const kept = (text: string) => {
  const [frame] = wireTextOf([keptFrame(Buffer.from(text, 'latin1'))], 'annex-a').frames
  return frame
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
    expect(wireTextOf([keptFrame(Buffer.from(sent))], 'modbus')).toMatchObject({
      checksum: 'modbus',
      masked: [],
    })
  },
)

test('bytes that are no UTF-8 are kept too', () => {
  const bytes = Buffer.concat([
    Buffer.from('##0020CN=2011;MN=a;CP=&&i='),
    Buffer.from([0xd6, 0xd0]),
    Buffer.from('&&1234'),
  ])
  const { frames, encoding } = wireTextOf([keptFrame(bytes)], 'annex-a')
  expect(encoding).toBe('base64')
  expect(Buffer.from(frames[0]!, 'base64')).toEqual(bytes)
})

test('what is kept of one message is bounded, and what is left out is said', () => {
  const long = keptFrame(Buffer.from(`##4096CN=2011;MN=a;CP=&&${'x'.repeat(4074)}&&5A00`))
  const { frames, leftOut } = wireTextOf(
    Array.from({ length: 64 }, () => long),
    'annex-a',
  )
  expect(frames).toHaveLength(15)
  expect(leftOut).toBe(49)
})
