import { Lexer, parseDocument } from 'yaml'

/** What YAML says, or one line about why it says nothing. */
export type Parsed = { readonly content: unknown } | { readonly mistake: string }

/**
 * Reads a rule file's text. `mostTokens` is for text from strangers: what YAML costs grows with the square of
 * its keys and anchors. An ordinary rule is some 160 tokens.
 */
export function parseRuleText(text: string, mostTokens = Infinity): Parsed {
  if (hasMoreTokens(text, mostTokens)) return { mistake: `is longer than ${mostTokens} YAML tokens` }
  const document = parseDocument(text, { uniqueKeys: true })
  const error = document.errors[0]
  if (error !== undefined) return { mistake: `is not YAML: ${error.message.split(/:?\n/)[0]}` }
  try {
    // A few aliases of aliases are gigabytes once written out.
    return { content: document.toJS({ maxAliasCount: 100 }) }
  } catch (failure) {
    return { mistake: `is not YAML: ${(failure as Error).message}` }
  }
}

function hasMoreTokens(text: string, most: number): boolean {
  if (most === Infinity) return false
  let tokens = 0
  for (const _ of new Lexer().lex(text)) if (++tokens > most) return true
  return false
}
