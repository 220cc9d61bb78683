/** Durations in files are written `90s`, `10m`, `4h`, `7d` (contract, "Names"); `250ms` too, for tests. */
export const DURATION_PATTERN = '^\\d{1,9}(ms|s|m|h|d)$'

const duration = /^(\d{1,9})(ms|s|m|h|d)$/
const MILLISECONDS = { ms: 1, s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 } as const

/** Milliseconds of a written duration; throws a RangeError that says what was expected. */
export function durationMs(text: string): number {
  const match = duration.exec(text)
  if (match === null) throw new RangeError(`"${text}" is not a duration such as 90s, 10m, 4h or 7d`)
  return Number(match[1]) * MILLISECONDS[match[2] as keyof typeof MILLISECONDS]
}
