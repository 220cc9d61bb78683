/**
 * Names that end up in topics, tags, paths and URLs: device, team, street, site and grid ids.
 * Contract §2 fixes the pattern; `..` is excluded so that no id can climb a path.
 */
export const IDENTIFIER_PATTERN = '^(?!.*\\.\\.)[A-Za-z0-9][A-Za-z0-9_.-]{0,63}$'

const identifier = new RegExp(IDENTIFIER_PATTERN)

/** Ids that would read as the gateway itself on the wire (contract §2). */
const reserved = new Set(['devices', 'gateway'])

export function isIdentifier(text: string): boolean {
  return identifier.test(text) && !reserved.has(text)
}
