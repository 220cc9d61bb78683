import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { encode, SYMBOLS } from './crockford.ts'
import { placeCode, placeOf } from './place-code.ts'
import { maskedNumber, newTicketNumber, shownNumber, ticketNumber } from './ticket-number.ts'

const anyText = (maxLength: number) =>
  fc.array(fc.nat(0x10ffff), { maxLength }).map((points) => String.fromCodePoint(...points))
const number = fc.uint8Array({ minLength: 7, maxLength: 7 }).map((bytes) => newTicketNumber(() => bytes))

describe('a ticket number', () => {
  test('is read back from however a person writes it', () => {
    fc.assert(
      fc.property(number, (made) => {
        const shown = shownNumber(made)
        expect(shown).toMatch(/^[0-9A-HJKMNP-TV-Z]{4}(-[0-9A-HJKMNP-TV-Z]{4}){2}$/)
        const fullWidth = shown.replaceAll(/[!-~]/g, (char) =>
          String.fromCharCode(char.charCodeAt(0) + 0xfee0),
        )
        for (const typed of [
          made,
          shown,
          shown.toLowerCase(),
          ` ${shown.replaceAll('-', ' ')} `,
          made.replaceAll('0', 'o').replaceAll('1', 'l'),
          made.replaceAll('0', 'O').replaceAll('1', 'I'),
          fullWidth,
        ])
          expect(ticketNumber(typed)).toBe(made)
      }),
    )
  })

  test('tells every single wrong symbol and every two that changed places', () => {
    fc.assert(
      fc.property(
        number,
        fc.nat(11),
        fc.nat(11),
        fc.constantFrom(...Array.from(SYMBOLS)),
        (made, i, j, other) => {
          const wrong = Array.from(made)
          wrong[i] = other
          expect(ticketNumber(wrong.join(''))).toBe(other === made[i] ? made : null)
          const swapped = Array.from(made)
          ;[swapped[i], swapped[j]] = [made[j]!, made[i]!]
          expect(ticketNumber(swapped.join(''))).toBe(made[i] === made[j] ? made : null)
        },
      ),
      { numRuns: 1000 },
    )
  })

  test('is never found in what is none, and nothing that is typed makes it throw', () => {
    fc.assert(
      fc.property(anyText(80), (typed) => {
        const read = ticketNumber(typed)
        if (read !== null) expect(ticketNumber(read)).toBe(read)
      }),
    )
    for (const typed of ['', '0', 'x'.repeat(1000), "' OR 1=1 --", '../../etc/passwd'])
      expect(ticketNumber(typed)).toBeNull()
  })

  test('does not repeat, and its mask is no number', () => {
    const made = new Set(Array.from({ length: 10_000 }, () => newTicketNumber()))
    expect(made.size).toBe(10_000)
    for (const one of [...made].slice(0, 100)) {
      expect(ticketNumber(maskedNumber(one))).toBeNull()
      expect(maskedNumber(one).endsWith(one.slice(-4))).toBe(true)
    }
  })
})

describe("a place's code", () => {
  const id = fc.stringMatching(/^[A-Za-z0-9][A-Za-z0-9_.-]{0,63}$/)
  const key = fc.string({ minLength: 16, maxLength: 64 })

  test('names its place, with the key that it was made with and with no other', () => {
    fc.assert(
      fc.property(id, key, key, (place, right, wrong) => {
        const code = placeCode(right, place)
        expect(placeOf(right, code)).toBe(place)
        expect(
          placeOf(
            right,
            code.replace(/~.*/, (check) => check.toLowerCase()),
          ),
        ).toBe(place)
        if (wrong !== right) expect(placeOf(wrong, code)).toBeNull()
      }),
    )
  })

  test("opens no other place, whatever of it is changed, and a place's id alone opens none", () => {
    fc.assert(
      fc.property(id, id, anyText(20), (place, other, noise) => {
        const code = placeCode('the key of the tests', place)
        const check = code.slice(place.length)
        if (other !== place) expect(placeOf('the key of the tests', other + check)).toBeNull()
        for (const made of [place, `${place}~`, `~${place}`, code.slice(0, -1), `${place}~${noise}`, noise])
          expect(placeOf('the key of the tests', made)).toBeNull()
        expect(placeOf('the key of the tests', `${code}0`)).toBeNull()
      }),
    )
  })
})

test('symbols hold five bits each, and too few bytes are told', () => {
  expect(encode(Uint8Array.of(0xff, 0xff, 0xff, 0xff, 0xff), 8)).toBe('ZZZZZZZZ')
  expect(encode(Uint8Array.of(0x08, 0x42, 0x10, 0x84, 0x21), 8)).toBe('11111111')
  expect(() => encode(Uint8Array.of(1), 2)).toThrow(RangeError)
})
