import { shortened } from './robot-text.ts'

/** What people read, before it is in the markup of any robot. All texts are as they came: robots escape them. */
export interface Message {
  readonly title: string
  readonly tone: 'calm' | 'warning'
  readonly lines: readonly string[]
  readonly links: readonly { readonly text: string; readonly url: string }[]
}

/**
 * The message cut down until it fits, `size(message) <= limit`: lines go from the end, then texts are shortened by
 * whole characters, and links go last, since they lead to all that was left out.
 */
export function fitted(message: Message, limit: number, size: (message: Message) => number): Message {
  let current = message
  for (;;) {
    if (size(current) <= limit) return current
    const smaller = smallerThan(current)
    if (smaller === undefined) return current
    current = smaller
  }
}

function smallerThan(message: Message): Message | undefined {
  const { title, lines, links } = message
  const last = lines.at(-1)
  if (lines.length > 2 || (lines.length === 2 && last !== '…')) {
    const kept = last === '…' ? lines.slice(0, -2) : lines.slice(0, -1)
    return { ...message, lines: [...kept, '…'] }
  }
  const longest = Math.max(title.length, ...lines.map((line) => line.length))
  if (longest > 8) {
    const cut = (text: string) =>
      text.length < longest ? text : shortened(text, Math.floor(text.length / 2))
    return { ...message, title: cut(title), lines: lines.map(cut) }
  }
  return links.length > 0 ? { ...message, links: links.slice(0, -1) } : undefined
}
