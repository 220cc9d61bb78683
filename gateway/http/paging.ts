import { Type, type TSchema } from 'typebox'
import { Problem } from './problem.ts'

/** `limit` and `cursor` of every list (contract §5). */
export const pageQuery = (standard: number, most: number) => ({
  limit: Type.Optional(
    Type.Integer({
      minimum: 1,
      maximum: most,
      default: standard,
      description: 'items in one answer at most',
    }),
  ),
  cursor: Type.Optional(
    Type.String({ maxLength: 512, description: 'from the answer before; opaque. Goes on right after it' }),
  ),
})

/** `{"items":[…],"cursor":"…"?}`: no cursor means that this was the end. */
export const Page = <T extends TSchema>(item: T) =>
  Type.Object({ items: Type.Array(item), cursor: Type.Optional(Type.String()) })

/** A place in an ordered list as opaque text: only {@link readCursor} with the same name understands it. */
export function writeCursor(list: string, place: readonly (string | number)[]): string {
  return Buffer.from(JSON.stringify([list, ...place])).toString('base64url')
}

/** Checks that the text came from {@link writeCursor} of the same list and has the same parts. */
export function readCursor<const P extends readonly ('string' | 'number')[]>(
  list: string,
  text: string,
  parts: P,
): { -readonly [K in keyof P]: P[K] extends 'string' ? string : number } {
  let place: unknown
  try {
    place = JSON.parse(Buffer.from(text, 'base64url').toString('utf8'))
  } catch {
    throw new Problem('bad_cursor')
  }
  if (!Array.isArray(place) || place.length !== parts.length + 1 || place[0] !== list)
    throw new Problem('bad_cursor')
  const values: unknown[] = place.slice(1)
  if (!parts.every((part, i) => typeof values[i] === part)) throw new Problem('bad_cursor')
  return values as { -readonly [K in keyof P]: P[K] extends 'string' ? string : number }
}
