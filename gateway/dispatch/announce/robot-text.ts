/**
 * What devices and people wrote, made plain for messages of chat robots. None of the three documents an escape
 * that holds in all its clients (a backslash is shown as one in WeCom), so every character that could be markup, a
 * tag, a mention or a link is replaced by its full-width twin, which reads the same and means nothing; control
 * characters and those that turn the direction of writing become spaces.
 */
const TWINS: ReadonlyMap<string, string> = new Map(
  // U+FF01 to U+FF5E stand for ! to ~ in their order.
  Array.from(
    '<>[]*_`#~|\\@&!$',
    (mark) => [mark, String.fromCodePoint(mark.codePointAt(0)! + 0xfee0)] as const,
  ),
)

/** Cc and Cf hold line ends, bidirectional overrides and zero-width joints; Zl and Zp are line ends too. */
const UNSEEN = /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]+/gu
const MARKS = /[<>[\]*_`#~|\\@&!$]/g

export function plainText(text: string): string {
  return (
    text
      .toWellFormed()
      .replace(UNSEEN, ' ')
      .replace(MARKS, (mark) => TWINS.get(mark)!)
      // An address in a title is no link that people should follow.
      .replace(/:(?=\/\/)/g, '：')
      .replace(/\bwww\./gi, (match) => `${match.slice(0, -1)}．`)
      .trim()
  )
}

const graphemes = new Intl.Segmenter('zh', { granularity: 'grapheme' })

/** At most so many characters as people count them, with an ellipsis in place of the rest. */
export function shortened(text: string, characters: number): string {
  let kept = ''
  let count = 0
  for (const { segment } of graphemes.segment(text)) {
    if (count === characters) return `${withoutLast(kept)}…`
    kept += segment
    count += 1
  }
  return kept
}

function withoutLast(text: string): string {
  const last = [...graphemes.segment(text)].at(-1)
  return last === undefined ? text : text.slice(0, last.index)
}

/** An address as the target of a markdown link: nothing in it ends the link. */
export function linkTarget(url: string): string {
  return url.replace(
    /[()<>[\]\s"'\\]/g,
    (mark) => `%${mark.codePointAt(0)!.toString(16).toUpperCase().padStart(2, '0')}`,
  )
}
