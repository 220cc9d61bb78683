import * as fc from 'fast-check'
import { expect, test } from 'vitest'
import { linesIn } from './lines.ts'

async function* pieces(text: string, cuts: readonly number[]): AsyncGenerator<string> {
  let from = 0
  for (const cut of [...cuts.map((cut) => cut % (text.length + 1)).toSorted((a, b) => a - b), text.length]) {
    yield text.slice(from, cut)
    from = cut
  }
}

async function linesOf(text: AsyncIterable<string>): Promise<string[]> {
  const lines: string[] = []
  for await (const line of linesIn(text)) lines.push(line)
  return lines
}

test('lines are those of the text, however it is cut', async () => {
  const line = fc.string({ unit: fc.constantFrom('a', '"', '\u2028', '\u0085', ' ') })
  await fc.assert(
    fc.asyncProperty(fc.array(line), fc.array(fc.nat()), async (lines, cuts) => {
      const text = lines.map((one, index) => one + (index % 2 === 0 ? '\n' : '\r\n')).join('')
      expect(await linesOf(pieces(text, cuts))).toEqual(lines)
    }),
  )
})

test('a last line without an end is one', async () => {
  expect(await linesOf(pieces('a\nb', [1]))).toEqual(['a', 'b'])
})
