import { NINE, ZERO } from './characters.ts'
import { LineFault } from './line-fault.ts'

/** No digit can be matched in two ways: else digits by the megabyte would be tried in all of them. */
const FLOAT = /^-?(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][-+]?\d+)?$/
const INTEGER = /^-?\d{1,20}[iu]$/
const BOOLEANS: ReadonlyMap<string, boolean> = new Map([
  ...['t', 'T', 'true', 'True', 'TRUE'].map((word) => [word, true] as const),
  ...['f', 'F', 'false', 'False', 'FALSE'].map((word) => [word, false] as const),
])

export function isWord(input: Buffer, start: number, end: number, word: Buffer): boolean {
  if (end - start !== word.length) return false
  for (let i = 0; i < word.length; i++) if (input[start + i] !== word[i]) return false
  return true
}

export function digitsEnd(input: Buffer, start: number): number {
  let at = start
  while (input[at]! >= ZERO && input[at]! <= NINE) at++
  return at
}

export function scalar(text: string): number | boolean {
  const boolean = BOOLEANS.get(text)
  if (boolean !== undefined) return boolean
  if (FLOAT.test(text)) {
    const number = Number(text)
    if (Number.isFinite(number)) return number
    throw new LineFault('a number that is too large')
  }
  if (INTEGER.test(text)) return Number(text.slice(0, -1))
  throw new LineFault(text === '' ? 'missing field value' : 'neither a number, a boolean nor a string')
}
