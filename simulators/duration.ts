import { WrongUsage } from './wrong-usage.ts'

/** Durations in files and options are written `90s`, `10m`, `4h`, `7d` (contract, "Names"). */
export const DURATION_PATTERN = '^\\d{1,9}(ms|s|m|h|d)$'
/** The same, and `-4m` for what goes backwards. */
export const SIGNED_DURATION_PATTERN = DURATION_PATTERN.replace('^', '^-?')

const UNITS = { ms: 1, s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 } as const

/** Milliseconds; throws a {@link WrongUsage} that says what was expected. A leading minus is understood: `-4m`. */
export function milliseconds(text: string): number {
  const match = /^(-?)(\d{1,9})(ms|s|m|h|d)$/.exec(text)
  if (match === null) throw new WrongUsage(`"${text}" is not a duration such as 90s, 10m, 4h or 7d`)
  return (match[1] === '-' ? -1 : 1) * Number(match[2]) * UNITS[match[3] as keyof typeof UNITS]
}
