/**
 * Telephone numbers in China: mobile (11 digits from 13 to 19), fixed with area code and perhaps an extension,
 * service numbers such as 12345, 110 and 400 numbers; with +86 or without.
 */
const PHONE =
  /^(\+86[ -]?)?(1[3-9]\d{9}|0\d{2,3}-?[2-9]\d{6,7}(-\d{1,5})?|400-?\d{3}-?\d{4})$|^1\d{2,4}$|^9\d{4}$/

export function isPhone(text: string): boolean {
  return PHONE.test(text)
}
