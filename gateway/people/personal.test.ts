import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { maskedName, maskedPhone, phoneNumber } from './phone.ts'
import { mobileIn, plainLine, plainText, withoutNumbers } from './plain-text.ts'

/** Of all code points, halves of pairs too. */
const anyText = (maxLength: number) =>
  fc.array(fc.nat(0x10ffff), { maxLength }).map((points) => String.fromCodePoint(...points))

describe('a phone number', () => {
  test.each([
    ['13812345678', '13812345678', '138****5678'],
    ['+86 138-1234-5678', '13812345678', '138****5678'],
    ['８６１３８１２３４５６７８', '13812345678', '138****5678'],
    ['0513-85512345', '0513-85512345', '0513-****2345'],
    ['(0513) 85512345', '0513-85512345', '0513-****2345'],
    ['010-65551234', '010-65551234', '010-****1234'],
    ['021 5555123', '021-5555123', '021-****5123'],
    ['0513-85512345转12', '0513-85512345-12', '0513-****2345'],
    ['0513-85512345-12', '0513-85512345-12', '0513-****2345'],
  ])('%s is kept as %s and shown as %s', (typed, kept, shown) => {
    expect(phoneNumber(typed)).toBe(kept)
    expect(phoneNumber(kept)).toBe(kept)
    expect(maskedPhone(kept)).toBe(shown)
  })

  test.each([
    '',
    '12812345678',
    '1381234567',
    '138123456789',
    '85512345',
    '0513-15512345',
    'javascript:1',
    '=1+1',
  ])('"%s" is none', (typed) => expect(phoneNumber(typed)).toBeNull())

  test('is digits and hyphens only, whatever was typed', () => {
    fc.assert(
      fc.property(fc.oneof(anyText(45), fc.stringMatching(/^[+()0-9 x-]{0,45}$/)), (typed) => {
        expect(phoneNumber(typed) ?? '0-1').toMatch(/^[0-9-]+$/)
      }),
    )
  })

  test('a name keeps its first character', () => {
    expect(['王小明', '李', '', '欧阳一二三'].map(maskedName)).toEqual(['王**', '李', '', '欧**'])
  })
})

describe('what a stranger wrote', () => {
  test('holds nothing that cannot be seen, and is no longer than it may be', () => {
    fc.assert(
      fc.property(anyText(300), fc.nat(50), (written, longest) => {
        const text = plainText(written, longest)
        expect(text.isWellFormed()).toBe(true)
        expect(Array.from(text).length).toBeLessThanOrEqual(longest)
        expect(text).not.toMatch(/[\p{Cc}--\n]|[\u202A-\u202E\u2066-\u2069]/v)
        expect(plainText(text, longest)).toBe(text)
      }),
    )
  })

  test('keeps what it says', () => {
    expect(plainText('油烟很大！\r\n\r\n\r\n\r\n<b>9号</b>\u202Egpj.exe 👨‍👩‍👧', 500)).toBe(
      '油烟很大！\n\n<b>9号</b>gpj.exe 👨‍👩‍👧',
    )
    expect(plainLine(' 王\n小\t明 ', 64)).toBe('王 小 明')
  })

  test.each([
    ['+8613812345678', '+86138****5678'],
    ['8613812345678', '86138****5678'],
    ['+86 138 1234 5678', '+86 138****5678'],
    ['138.1234.5678', '138****5678'],
    ['１３８１２３４５６７８', '１３８****５６７８'],
  ])('knows a mobile number however it is written: %s', (written, shown) => {
    expect(withoutNumbers(`请打 ${written}，谢谢`)).toBe(`请打 ${shown}，谢谢`)
    expect(mobileIn(`请打 ${written}，谢谢`)).toBe('13812345678')
  })

  test('shows no mobile or identity number where many read it', () => {
    expect(
      withoutNumbers('call 13812345678 or 139-1234-5678, id 32061119900101123X, order 1381234567890'),
    ).toBe('call 138****5678 or 139****5678, id 320611********123X, order 1381234567890')
  })
})
