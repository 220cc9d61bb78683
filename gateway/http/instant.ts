import { DateTime } from 'luxon'
import { Type } from 'typebox'
import { Problem } from './problem.ts'

/** A time in a query: epoch milliseconds, or ISO 8601 with an offset (contract, "Times"). */
export const Instant = (description: string) =>
  Type.String({ maxLength: 40, description: `${description}; epoch ms or ISO 8601 with offset` })

const WITH_OFFSET = /(Z|[+-]\d{2}(:?\d{2})?)$/i

/** Epoch milliseconds of what {@link Instant} described; `where` names the parameter to the caller, in its `part`. */
export function instant<T extends string | undefined>(
  where: string,
  text: T,
  part?: 'querystring' | 'body',
): T extends string ? number : undefined
export function instant(
  where: string,
  text: string | undefined,
  part: 'querystring' | 'body' = 'querystring',
): number | undefined {
  if (text === undefined) return undefined
  const ms = /^-?\d{1,16}$/.test(text)
    ? Number(text)
    : // A plus sign that was not escaped arrives as a space.
      DateTime.fromISO(text.replace(' ', '+')).toMillis()
  if (Number.isSafeInteger(ms) && (WITH_OFFSET.test(text.replace(' ', '+')) || /^-?\d+$/.test(text)))
    return ms
  const expected = 'epoch milliseconds or ISO 8601 with offset, such as 2024-06-01T12:00:00+08:00'
  throw new Problem('bad_request', `${part}/${where}: "${text}" is not a time`, {
    errors: [{ where: `${part}/${where}`, what: 'is not a time', expected }],
  })
}
