/** A mainland mobile number: 11 digits, 13 to 19 in front (the numbering plan of MIIT). */
const MOBILE = /^(?:\+?86)?(1[3-9]\d{9})$/
/** A landline: area code with its 0 (010 and 02x have three digits, all others four), 7 or 8 digits, an extension. */
const LANDLINE = /^(?:\+?86)?(0(?:10|2\d|[3-9]\d{2}))([2-8]\d{6,7})(?:(?:x|ext|转|#)(\d{1,6}))?$/i

/** What to tell whoever typed another. */
export const PHONE_EXPECTED =
  'a mainland mobile number such as 13812345678, or a landline with area code such as 0513-85512345'

/** The number as it is kept: `13812345678` or `0513-85512345-12`; null when it is none. */
export function phoneNumber(typed: string): string | null {
  if (typed.length > 40) return null
  const text = typed.normalize('NFKC').replaceAll(/[\s\-().·]/g, '')
  const mobile = MOBILE.exec(text)
  if (mobile !== null) return mobile[1]!
  const landline = LANDLINE.exec(text) ?? extended(typed)
  if (landline === null) return null
  const [, area, number, extension] = landline
  return [area, number, ...(extension === undefined ? [] : [extension])].join('-')
}

/** `0513-85512345-12`: without its hyphens nobody could tell where the extension begins. */
function extended(typed: string): RegExpExecArray | null {
  const text = typed.normalize('NFKC').replaceAll(/[\s()]/g, '')
  const match = /^(.*\d)-(\d{1,6})$/.exec(text)
  return match === null ? null : LANDLINE.exec(`${match[1]!.replaceAll('-', '')}x${match[2]!}`)
}

/** `138****1234`, `0513-****2345`: enough to recognise one's own. */
export function maskedPhone(number: string): string {
  if (!number.includes('-')) return `${number.slice(0, 3)}****${number.slice(-4)}`
  const [area, local] = number.split('-')
  return `${area}-****${local!.slice(-4)}`
}

/** `王**`. */
export function maskedName(name: string): string {
  const [first = '', ...rest] = Array.from(name)
  return first + '*'.repeat(Math.min(2, rest.length))
}
