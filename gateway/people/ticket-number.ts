import { randomBytes } from 'node:crypto'
import { encode, readable, SYMBOLS } from './crockford.ts'

/**
 * The number by which somebody who reported follows the case, without signing in: whoever has it may see what
 * became of it. So it is made up, not counted: 55 random bits, and behind them a check symbol.
 *
 * The check symbol makes the sum of αⁱ·cᵢ zero over GF(32), counted from the right, where α is a root of x⁵ + x² + 1,
 * which is primitive. A single wrong symbol changes the sum by αⁱ·d ≠ 0, two that changed places by (αⁱ + αʲ)·d ≠ 0:
 * both are always noticed, before anything is looked up.
 */
const RANDOM = 11
const LENGTH = RANDOM + 1
const GROUP = 4

/** Powers of α, as bits of the coefficients. */
const POWERS: readonly number[] = powers()

export function newTicketNumber(random: (bytes: number) => Uint8Array = randomBytes): string {
  const symbols = encode(random(7), RANDOM)
  const body = Array.from(symbols, (symbol) => SYMBOLS.indexOf(symbol))
  return symbols + SYMBOLS[sum([...body, 0])]!
}

/** The number that a person meant, without hyphens; null when it cannot be one. */
export function ticketNumber(typed: string): string | null {
  if (typed.length > 64) return null
  const text = readable(typed)
  const values = Array.from(text, (symbol) => SYMBOLS.indexOf(symbol))
  if (values.length !== LENGTH || values.includes(-1)) return null
  return sum(values) === 0 ? text : null
}

/** As it is shown: K7QM-2D9X-WB4T. */
export function shownNumber(number: string): string {
  return number.match(new RegExp(`.{1,${GROUP}}`, 'g'))!.join('-')
}

/** Enough to tell tickets of a case apart, and too little to follow one with: ····-····-WB4T. */
export function maskedNumber(number: string): string {
  return shownNumber('·'.repeat(number.length - GROUP) + number.slice(-GROUP))
}

/** Who reported, where a user would be named: no user's name has a colon in it. */
export function strangerName(number: string): string {
  return `ticket:${number.slice(-GROUP)}`
}

/** Σ αⁱ·cᵢ, the last symbol at i = 0. */
function sum(values: readonly number[]): number {
  return values.reduce((total, value, index) => total ^ times(POWERS[values.length - 1 - index]!, value), 0)
}

function times(left: number, right: number): number {
  if (left === 0 || right === 0) return 0
  return POWERS[(POWERS.indexOf(left) + POWERS.indexOf(right)) % POWERS.length]!
}

function powers(): number[] {
  const found = [1]
  while (found.length < 31) {
    const next = found.at(-1)! << 1
    found.push(next < 32 ? next : next ^ 0b100101)
  }
  return found
}
