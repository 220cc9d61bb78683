/** Longer ones are no slip of the finger; it also bounds what a comparison costs. */
const LONGEST = 32

/** The name that was probably meant: one letter in four may be wrong, missing, too many or swapped. */
export function nearest(written: string, names: Iterable<string>): string | null {
  if (written.length < 3 || written.length > LONGEST) return null
  let best: string | null = null
  let least = Math.max(1, Math.floor(written.length / 4)) + 1
  for (const name of names) {
    const slips = slipsBetween(written.toLowerCase(), name.toLowerCase(), least)
    if (slips < least) [best, least] = [name, slips]
  }
  return best
}

/** Letters put in, left out, mistaken or swapped with the next one; `most` when there are as many or more. */
function slipsBetween(a: string, b: string, most: number): number {
  if (Math.abs(a.length - b.length) >= most) return most
  let before: number[] = []
  let row = Array.from({ length: b.length + 1 }, (_, index) => index)
  for (let i = 1; i <= a.length; i++) {
    const next = [i]
    for (let j = 1; j <= b.length; j++) {
      const mistaken = row[j - 1]! + (a[i - 1] === b[j - 1] ? 0 : 1)
      const isSwapped = i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1]
      next[j] = Math.min(mistaken, row[j]! + 1, next[j - 1]! + 1, isSwapped ? before[j - 2]! + 1 : Infinity)
    }
    before = row
    row = next
  }
  return Math.min(row[b.length]!, most)
}
