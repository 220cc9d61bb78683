import type { Severity } from '../model/alarm.ts'
import { DEADLINE_COLOURS, type CaseState, type ClockName, type DeadlineColour } from '../model/case.ts'
import type { Level } from '../model/district.ts'
import type { Database } from '../registry/database.ts'
import { clockOf, isRunning } from './clocks.ts'
import { Selection } from './selection.ts'

/** A case on the supervision list (督办): somebody put it there, or a clock of it has a colour. Times are epoch ms. */
export interface SupervisedCase {
  readonly id: string
  readonly title: string
  readonly severity: Severity
  readonly category: string
  readonly site: string
  readonly street: string
  readonly grid: string
  readonly state: CaseState
  readonly level: Level
  readonly team: string
  readonly crew: string | null
  readonly supervised: boolean
  readonly deadlineColour: DeadlineColour
  /** Whose deadline it is; null when none runs. */
  readonly clock: ClockName | null
  readonly dueAt: number | null
  /** Below zero while there is time left. */
  readonly overdueMs: number | null
}

export interface SupervisionFilter {
  /** Any of these. */
  readonly streets?: readonly string[] | undefined
  readonly team?: string | undefined
  readonly level?: Level | undefined
  readonly deadlineColour?: DeadlineColour | undefined
}

/** A place in the list, which is ordered by urgency, deadline and id. */
export type SupervisionPlace = readonly [urgency: number, dueAt: number, id: string]

export interface SupervisionPage {
  readonly items: readonly SupervisedCase[]
  readonly next?: SupervisionPlace
}

export type SupervisionCounts = Readonly<Record<'supervised' | 'red' | 'yellow' | 'blue', number>>

type Row = Omit<SupervisedCase, 'supervised' | 'clock' | 'dueAt' | 'overdueMs'> & {
  readonly supervised: 0 | 1
  readonly urgency: number
  readonly due: number
  readonly respondedAt: number | null
  readonly arrivedAt: number | null
}

/** What is late, or watched by somebody; supervised ones first, then red, yellow, blue, then the longest overdue. */
export class Supervision {
  readonly #database: Database

  /** The tables are those of {@link Cases}, which has to be made first. */
  constructor(database: Database) {
    this.#database = database
  }

  list(filter: SupervisionFilter, now: number, limit: number, after?: SupervisionPlace): SupervisionPage {
    const selection = selected(filter)
    if (after !== undefined) selection.and('(listed, due_at, case_id) > (?, ?, ?)', ...after)
    // The inner query goes through the list, the outer one reads the cases of this page.
    const rows = this.#database.sql
      .prepare(
        `SELECT id, title, severity, category, site, street, grid, state, level, team, crew, supervised,
          deadline_colour AS deadlineColour, listed AS urgency, due_at AS due, responded_at AS respondedAt,
          arrived_at AS arrivedAt
          FROM cases WHERE id IN
            (SELECT case_id FROM case_supervision ${selection.where} ORDER BY listed, due_at, case_id LIMIT ?)
          ORDER BY listed, due_at, id`,
      )
      .all(...selection.values, limit + 1) as unknown as Row[]
    const items = rows.slice(0, limit).map((row) => shown(row, now))
    const last = rows[limit - 1]
    if (rows.length <= limit || last === undefined) return { items }
    return { items, next: [last.urgency, last.due, last.id] }
  }

  counts(filter: SupervisionFilter): SupervisionCounts {
    const selection = selected(filter)
    // From the index alone: urgency 0 to 3 is supervised, and its rest by four the colour.
    const rows = this.#database.sql
      .prepare(
        `SELECT listed AS urgency, count(*) AS count FROM case_supervision ${selection.where} GROUP BY listed`,
      )
      .all(...selection.values) as unknown as { urgency: number; count: number }[]
    const sum = (fits: (urgency: number) => boolean) =>
      rows.reduce((total, { urgency, count }) => total + (fits(urgency) ? count : 0), 0)
    return {
      supervised: sum((urgency) => urgency < 4),
      red: sum((urgency) => urgency % 4 === 0),
      yellow: sum((urgency) => urgency % 4 === 1),
      blue: sum((urgency) => urgency % 4 === 2),
    }
  }
}

/** As `listed` has them: of supervised cases of the colour, and of the others. */
function urgenciesOf(colour: DeadlineColour): number[] {
  const rank = DEADLINE_COLOURS.toReversed().indexOf(colour)
  return [rank, rank + 4]
}

function selected({ streets, team, level, deadlineColour }: SupervisionFilter): Selection {
  return new Selection()
    .among('street', streets)
    .and('(team = ? OR crew = ?)', team, team)
    .and('level = ?', level)
    .among('listed', deadlineColour && urgenciesOf(deadlineColour))
}

function shown(row: Row, now: number): SupervisedCase {
  const { id, title, severity, category, site, street, grid, state, level, team, crew } = row
  const { due, respondedAt, arrivedAt, deadlineColour } = row
  const runs = isRunning(state)
  return {
    id,
    title,
    severity,
    category,
    site,
    street,
    grid,
    state,
    level,
    team,
    crew,
    supervised: row.supervised === 1,
    deadlineColour,
    clock: runs ? clockOf({ respondedAt, arrivedAt }) : null,
    dueAt: runs ? due : null,
    overdueMs: runs ? now - due : null,
  }
}
