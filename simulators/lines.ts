/** Longer ones are no lines of a recording, characters. */
const LINE_LIMIT = 16 * 1024 * 1024

/**
 * Lines of a text that comes in pieces, without CR LF or LF. Node's readline also breaks at U+2028, which JSON may
 * hold as it is.
 */
export async function* linesIn(text: AsyncIterable<string>): AsyncGenerator<string> {
  let rest = ''
  for await (const piece of text) {
    const lines = (rest + piece).split('\n')
    rest = lines.pop()!
    if (rest.length > LINE_LIMIT) throw new Error(`a line is longer than ${LINE_LIMIT} characters`)
    for (const line of lines) yield line.endsWith('\r') ? line.slice(0, -1) : line
  }
  if (rest !== '') yield rest
}
