import { DateTime } from 'luxon'

/** Text inside HTML and SVG that is already safe. */
export class Html {
  readonly text: string

  constructor(text: string) {
    this.text = text
  }
}

/** A template whose values are escaped unless they are {@link Html}; lists are joined, null and false are nothing. */
export function html(parts: TemplateStringsArray, ...values: readonly unknown[]): Html {
  return new Html(parts.reduce((text, part, i) => text + shown(values[i - 1]) + part))
}

function shown(value: unknown): string {
  if (value instanceof Html) return value.text
  if (Array.isArray(value)) return value.map(shown).join('')
  if (value === null || value === undefined || value === false) return ''
  return escaped(typeof value === 'string' ? value : JSON.stringify(value))
}

const ENTITIES: Readonly<Record<string, string>> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
  "'": '&#39;',
}

function escaped(text: string): string {
  return (
    text
      .replace(/[&<>"']/g, (char) => ENTITIES[char]!)
      // Control characters, and those that turn the order of what is read (bidirectional overrides).
      .replace(/[[\p{Cc}\u202a-\u202e\u2066-\u2069]--[\t\n]]/gv, '\ufffd')
  )
}

/** `2024-06-01 12:00:05`, of Asia/Shanghai; other formats as luxon writes them. */
export function localTime(at: number, format = 'yyyy-LL-dd HH:mm:ss'): string {
  return DateTime.fromMillis(at, { zone: 'Asia/Shanghai' }).toFormat(format)
}

/** Coordinates in a drawing, to a tenth of a pixel. */
export function px(value: number): string {
  return String(Math.round(value * 10) / 10)
}
