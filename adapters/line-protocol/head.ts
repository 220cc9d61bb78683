import { LineFault } from './line-fault.ts'

/** Measurement and tags: whose line it is. */
export function readHead(head: string): { kind: string; device: string | undefined } {
  const [measurement = '', ...tags] = splitUnescaped(head, ',')
  if (measurement === '') throw new LineFault('missing measurement')
  const seen = new Map<string, string>()
  for (const tag of tags) {
    const [key = '', value = '', ...more] = splitUnescaped(tag, '=')
    if (key === '') throw new LineFault('missing tag key')
    if (value === '') throw new LineFault('missing tag value')
    if (more.length > 0) throw new LineFault('invalid tag format')
    const name = unescapeName(key)
    if (seen.has(name)) throw new LineFault('duplicate tags')
    seen.set(name, unescapeName(value))
  }
  // In a measurement `\=` is two characters.
  return { kind: measurement.replaceAll(/\\([, ])/g, '$1'), device: seen.get('device') }
}

function splitUnescaped(text: string, separator: string): string[] {
  const parts: string[] = []
  let start = 0
  for (let at = text.indexOf(separator); at >= 0; at = text.indexOf(separator, at + 1)) {
    if (text[at - 1] === '\\') continue
    parts.push(text.slice(start, at))
    start = at + 1
  }
  parts.push(text.slice(start))
  return parts
}

export function unescapeName(name: string): string {
  return name.includes('\\') ? name.replaceAll(/\\([,= ])/g, '$1') : name
}
