/**
 * Control characters, and what turns text around or hides in it (UAX #9, bidirectional formatting): they make a line of
 * a log, a terminal or a message say what its writer did not.
 */
const UNSEEN = /[[\p{Cc}\u061C\u200B\u200E\u200F\u202A-\u202E\u2066-\u2069\uFEFF]--\n]/gv
const NEW_LINES = /\r\n?|[\u2028\u2029]/g

/** What a stranger wrote, as text of at most `longest` characters that means nothing but what it shows. */
export function plainText(written: string, longest: number): string {
  const text = written
    .toWellFormed()
    .normalize('NFC')
    .replaceAll(NEW_LINES, '\n')
    .replaceAll('\t', ' ')
    .replaceAll(UNSEEN, '')
    .replaceAll(/\n{3,}/g, '\n\n')
    .trim()
  return Array.from(text).slice(0, longest).join('').trim()
}

/** The same without line breaks, for a name. */
export function plainLine(written: string, longest: number): string {
  return plainText(written.replaceAll(/\s+/g, ' '), longest)
}

/** As people write it: with the country in front, in groups, in full-width digits. */
const MOBILE_IN_TEXT =
  /(?<![0-9０-９])((?:[+＋]?[8８][6６][ -]?)?[1１][3-9３-９][0-9０-９])[ .·-]?[0-9０-９]{4}[ .·-]?([0-9０-９]{4})(?![0-9０-９])/g
/** GB 11643: 17 digits and a check symbol. */
const ID_NUMBER_IN_TEXT = /(?<!\d)(\d{6})\d{8}(\d{3}[\dXx])(?!\d)/g

/** Text that many will read and that stays: mobile and identity numbers in it are masked. */
export function withoutNumbers(text: string): string {
  return text.replaceAll(ID_NUMBER_IN_TEXT, '$1********$2').replaceAll(MOBILE_IN_TEXT, '$1****$2')
}

/** The mobile number in a text, if there is exactly one: people write theirs where they are. */
export function mobileIn(text: string): string | null {
  const found = [...text.replaceAll(ID_NUMBER_IN_TEXT, '').matchAll(MOBILE_IN_TEXT)]
  return found.length === 1 ? found[0]![0].normalize('NFKC').replaceAll(/\D/g, '').slice(-11) : null
}
