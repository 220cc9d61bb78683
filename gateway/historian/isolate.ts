import type { Delivery, Reading } from '../model/reading.ts'

/** A line of a write and the reading that it says. */
export interface Line {
  readonly text: string
  readonly delivery: Delivery
  readonly reading: Reading
}

/** What InfluxDB said to a write that it understood. Everything else is an error: the same write again may succeed. */
export type Answer =
  | { readonly type: 'stored' }
  /** At least one line can never be stored; which ones, and what became of the others, is not said. */
  | { readonly type: 'refused'; readonly reason: string }

export interface Refused {
  readonly line: Line
  readonly reason: string
}

/**
 * Writes the lines and finds exactly those that InfluxDB will never take. It names neither them nor whether
 * the rest was kept (1.6.7 keeps it on a partial write, and drops it when one batch brings two types for a new
 * field), so the batch is parted and written again, which is harmless: a point overwrites itself. The parting
 * is guided by what the reason gives away; one kind of trouble in a batch of thousands takes some three writes.
 * Parts are written one after another and in order, so that of two types for a new field the first one wins.
 */
export async function isolate(
  lines: readonly Line[],
  post: (lines: readonly Line[]) => Promise<Answer>,
): Promise<readonly Refused[]> {
  const answer = await post(lines)
  if (answer.type === 'stored') return []
  const { reason } = answer
  if (lines.length === 1 || dropped(reason) === lines.length) return lines.map((line) => ({ line, reason }))
  const refused: Refused[] = []
  for (const part of split(lines, reason)) refused.push(...(await isolate(part, post)))
  return refused
}

function dropped(reason: string): number | undefined {
  const match = /dropped=(\d+)/.exec(reason)
  return match === null ? undefined : Number(match[1])
}

function split(lines: readonly Line[], reason: string): readonly (readonly Line[])[] {
  const suspects = new Set(suspectsOf(lines, reason))
  if (suspects.size > 0 && suspects.size < lines.length) {
    return [lines.filter((line) => !suspects.has(line)), [...suspects]]
  }
  const middle = lines.length >> 1
  return [lines.slice(0, middle), lines.slice(middle)]
}

/** Lines that the reason probably speaks of, in order. A wrong guess costs a write, never a reading. */
function suspectsOf(lines: readonly Line[], reason: string): readonly Line[] {
  const conflict = /input field "([^"]+)" on measurement "([^"]+)" is type (float|boolean)/.exec(reason)
  if (conflict !== null) {
    const [, field, kind, type] = conflict
    const wanted = type === 'float' ? 'number' : 'boolean'
    return lines.filter(
      ({ delivery, reading }) => delivery.origin.kind === kind && typeof reading.metrics[field!] === wanted,
    )
  }
  const old = dropped(reason)
  if (old === undefined || !reason.includes('retention')) return []
  // What is beyond retention is older than everything that is within.
  const times = lines.map(({ reading }) => reading.ts).sort((a, b) => a - b)
  const bound = times[Math.min(old, times.length) - 1]
  return bound === undefined ? [] : lines.filter(({ reading }) => reading.ts <= bound)
}
