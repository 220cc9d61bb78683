import { LIMIT_PATTERN } from '../gateway/model/rule.ts'

/** A threshold as it is written: a number, a number with its unit (`2.0 mg/m³`), or a device's attribute. */
export type Limit = { readonly number: number; readonly unit: string | null } | { readonly attribute: string }

const written = new RegExp(LIMIT_PATTERN)

/** Throws a RangeError for text that the schema of a rule would not have let through. */
export function limitOf(text: number | string): Limit {
  if (typeof text === 'number') return { number: text, unit: null }
  if (!written.test(text)) throw new RangeError(`"${text}" is no threshold`)
  const attribute = attributeOf(text)
  if (attribute !== null) return { attribute }
  const digits = /^[-+\d.]+/.exec(text)![0]
  return { number: Number(digits), unit: text.slice(digits.length).trim() }
}

/** `fume_limit` of `$fume_limit`; null for what names no attribute. */
export function attributeOf(text: string): string | null {
  return text.startsWith('$') ? text.slice(1) : null
}

/** Whether two spellings mean the same unit: `m3` is m³, and there are two µ. */
export function isSameUnit(a: string, b: string): boolean {
  return plain(a) === plain(b)
}

function plain(unit: string): string {
  return unit.normalize('NFKC').replaceAll(' ', '')
}
