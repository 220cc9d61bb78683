import { InvalidArgumentError } from 'commander'
import { MONTH_PATTERN } from '../gateway/reports/month.ts'
import { milliseconds } from '../simulators/duration.ts'

/** Parsers for commander: what they refuse ends with exit 2 and a line that says what was expected. */

export function wholeNumber(least: number, most: number): (text: string) => number {
  return (text) => {
    const number = Number(text)
    if (/^\d+$/.test(text) && number >= least && number <= most) return number
    throw new InvalidArgumentError(`Expected a whole number from ${least} to ${most}.`)
  }
}

export function positiveNumber(text: string): number {
  const number = Number(text)
  if (text.trim() !== '' && Number.isFinite(number) && number > 0) return number
  throw new InvalidArgumentError('Expected a number above 0.')
}

/** Milliseconds of `90s`, `10m`, `4h`. */
export function duration(text: string): number {
  let length: number
  try {
    length = milliseconds(text)
  } catch (error) {
    throw new InvalidArgumentError((error as Error).message)
  }
  if (length >= 0) return length
  throw new InvalidArgumentError('Expected a duration that is not negative.')
}

export function address(...protocols: readonly string[]): (text: string) => string {
  return (text) => {
    const url = URL.parse(text)
    if (url !== null && url.hostname !== '' && protocols.includes(url.protocol.slice(0, -1))) return text
    throw new InvalidArgumentError(
      `Expected an address such as ${protocols[0]}://${protocols[0]!.startsWith('mqtt') ? '127.0.0.1:1883' : 'grid.example.cn'}.`,
    )
  }
}

/** `2026-10`, a month of a report. */
export function month(text: string): string {
  if (new RegExp(MONTH_PATTERN).test(text)) return text
  throw new InvalidArgumentError('Expected a month such as 2026-10.')
}
