/** Streets that are asked for, as far as they are the user's own; undefined is all of them. */
export function within(
  own: readonly string[] | undefined,
  asked: string | undefined,
): readonly string[] | undefined {
  if (asked === undefined) return own
  return own === undefined || own.includes(asked) ? [asked] : []
}
