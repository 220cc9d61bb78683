import { createHash } from 'node:crypto'
import { SEVERITIES } from '../../model/alarm.ts'
import type { DeadlineColour } from '../../model/case.ts'
import type { Notice, NoticeEvent } from './notice.ts'

/** How many of one kind there are at one street. */
export interface Group {
  readonly event: NoticeEvent
  readonly colour?: DeadlineColour
  readonly street: string
  readonly count: number
}

/**
 * What goes out as one message: a notice, or many of them merged. It is written down before it is sent and never
 * changes after that, so whatever is sent again is the same thing with the same id.
 */
export interface Announcement {
  readonly id: string
  /** Of the newest notice, epoch ms. */
  readonly at: number
  /** Worst first; when merged for people only the first few. */
  readonly notices: readonly Notice[]
  /** How many notices it stands for. */
  readonly count: number
  /** Largest first. */
  readonly groups: readonly Group[]
}

/** `shown`: how many notices it carries itself; all are counted in its groups. */
export function announcementOf(notices: readonly Notice[], shown: number): Announcement {
  const groups = new Map<string, Group>()
  for (const { event, colour, case: facts } of notices) {
    const key = `${event} ${colour} ${facts.street}`
    const count = (groups.get(key)?.count ?? 0) + 1
    groups.set(key, { event, ...(colour !== undefined && { colour }), street: facts.street, count })
  }
  const severity = (notice: Notice) => SEVERITIES.indexOf(notice.case.severity)
  return {
    id: notices.length === 1 ? notices[0]!.id : mergedId(notices),
    at: Math.max(...notices.map((notice) => notice.at)),
    notices: [...notices].sort((a, b) => severity(b) - severity(a)).slice(0, shown),
    count: notices.length,
    groups: [...groups.values()].sort((a, b) => b.count - a.count),
  }
}

/** The same for the same notices. */
function mergedId(notices: readonly Notice[]): string {
  const hash = createHash('sha256')
  for (const { id } of notices) hash.update(id).update('\n')
  return `merged:${hash.digest('hex').slice(0, 32)}`
}
