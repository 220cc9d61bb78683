import type { Api } from './route.ts'
import { Problem } from './problem.ts'

/** Objects and arrays inside each other at most: deeper than any rule, shallower than any stack. */
const DEPTH_LIMIT = 64

/** Takes JSON bodies only, and none that is built to exhaust whoever walks it. */
export function takeJsonOnly(app: Api): void {
  app.removeAllContentTypeParsers()
  // Keys such as `__proto__` are refused, not quietly removed.
  const parse = app.getDefaultJsonParser('error', 'error')
  app.addContentTypeParser(
    ['application/json', 'application/merge-patch+json'],
    { parseAs: 'string' },
    (request, body, done) => {
      const text = body as string
      if (deeperThan(text, DEPTH_LIMIT)) done(new Problem('bad_json', `nested deeper than ${DEPTH_LIMIT}`))
      // An empty body is no body: whether the route needs one is for its schema to say.
      else if (text === '') done(null, undefined)
      else void parse(request, text, done)
    },
  )
}

/** Counts brackets outside of strings; stops as soon as the answer is known. */
export function deeperThan(json: string, limit: number): boolean {
  let depth = 0
  let inString = false
  for (let i = 0; i < json.length; i++) {
    const char = json[i]
    if (inString) {
      if (char === '\\') i++
      else if (char === '"') inString = false
    } else if (char === '"') inString = true
    else if (char === '{' || char === '[') {
      if (++depth > limit) return true
    } else if (char === '}' || char === ']') depth--
  }
  return false
}
