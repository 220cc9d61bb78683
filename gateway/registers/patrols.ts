import { randomUUID } from 'node:crypto'
import type { StatementSync } from 'node:sqlite'
import { Selection, type Place } from '../dispatch/selection.ts'
import type { Position } from '../model/reading.ts'
import { RegistryError } from '../registry/registry-error.ts'
import { occasionOf, openFor, PROMISED_TO_PEOPLE, type Finding } from './finding.ts'
import type { RegisterParts } from './registers.ts'
import { cleanTrack, coverage, trackMetres, type Line, type TrackPoint } from './track.ts'

/**
 * River patrols (巡河): who walked or rowed along which section, how far, how much of it, and what he found. The track
 * shows where a person was every few seconds: whoever looks at it is in the audit, and it is erased after
 * `registers.keepTracks`; length and coverage stay.
 */
const TABLES = `
  CREATE TABLE river_courses (
    section TEXT PRIMARY KEY, title TEXT NOT NULL, street TEXT NOT NULL, grid TEXT NOT NULL, course TEXT NOT NULL
  ) STRICT, WITHOUT ROWID;
  CREATE TABLE patrols (
    id TEXT PRIMARY KEY, section TEXT NOT NULL, street TEXT NOT NULL, grid TEXT NOT NULL, team TEXT,
    actor TEXT NOT NULL, started_at INTEGER NOT NULL, heard_at INTEGER NOT NULL,
    stopped_at INTEGER, points INTEGER NOT NULL DEFAULT 0, metres INTEGER, coverage REAL, erased_at INTEGER
  ) STRICT, WITHOUT ROWID;
  CREATE INDEX patrols_by_time ON patrols (started_at, id);
  CREATE INDEX patrols_by_team ON patrols (team, started_at, id);
  CREATE INDEX patrols_by_street ON patrols (street, started_at, id);
  CREATE INDEX patrols_under_way ON patrols (heard_at) WHERE stopped_at IS NULL;
  CREATE UNIQUE INDEX patrols_one ON patrols (actor) WHERE stopped_at IS NULL;
  CREATE INDEX patrols_to_erase ON patrols (stopped_at) WHERE stopped_at IS NOT NULL AND erased_at IS NULL;
  CREATE TABLE patrol_points (
    patrol TEXT NOT NULL REFERENCES patrols (id), at INTEGER NOT NULL, lon REAL NOT NULL, lat REAL NOT NULL, accuracy REAL,
    PRIMARY KEY (patrol, at)
  ) STRICT, WITHOUT ROWID;
  CREATE TABLE patrol_findings (
    number INTEGER PRIMARY KEY, patrol TEXT NOT NULL REFERENCES patrols (id), finding TEXT NOT NULL, at INTEGER NOT NULL,
    category TEXT NOT NULL, title TEXT NOT NULL, position TEXT NOT NULL, case_id TEXT NOT NULL, UNIQUE (patrol, finding)
  ) STRICT;
`

/** A point every two seconds for eleven hours. */
export const MOST_POINTS = 20_000
export const MOST_FINDINGS = 200
/** A patrol that was forgotten ends by itself after so long without a word. */
const FORGOTTEN_MS = 6 * 3_600_000
/** A phone's clock may be this far ahead. */
const AHEAD_MS = 5 * 60_000
const AT_ONCE = 50

export interface Patrol {
  readonly id: string
  readonly section: string
  readonly street: string
  readonly grid: string
  readonly team: string | null
  readonly actor: string
  readonly startedAt: number
  readonly stoppedAt: number | null
  /** Points as they came in. */
  readonly points: number
  /** Of the cleaned track; null until it has stopped. */
  readonly metres: number | null
  /** Share of the section's course, 0 to 1; null until it has stopped, and where the course is not known. */
  readonly coverage: number | null
  /** When the track was erased. */
  readonly erasedAt: number | null
  readonly findings: readonly PatrolFinding[]
}

export interface PatrolFinding {
  /** The sender's own id: the same one sent again counts once. */
  readonly id: string
  readonly at: number
  readonly category: string
  readonly title: string
  readonly position: Position
  readonly case: string
}

export interface Course {
  readonly section: string
  readonly title: string
  readonly street: string
  readonly grid: string
  readonly course: Line
}

export interface PatrolFilter {
  readonly streets?: readonly string[] | undefined
  readonly team?: string | undefined
  readonly section?: string | undefined
  readonly from?: number | undefined
  readonly to?: number | undefined
}

const COLUMNS = `id, section, street, grid, team, actor, started_at AS startedAt, stopped_at AS stoppedAt, points,
  metres, coverage, erased_at AS erasedAt`

export class Patrols {
  readonly #parts: RegisterParts
  readonly #get: StatementSync
  readonly #findings: StatementSync
  readonly #track: StatementSync
  readonly #addPoint: StatementSync

  constructor(parts: RegisterParts) {
    const { sql } = parts.database
    parts.database.migrate('patrols-1', TABLES)
    this.#parts = parts
    this.#get = sql.prepare(`SELECT ${COLUMNS} FROM patrols WHERE id = ?`)
    this.#findings = sql.prepare(
      'SELECT finding AS id, at, category, title, position, case_id FROM patrol_findings WHERE patrol = ? ORDER BY number',
    )
    this.#track = sql.prepare('SELECT at, lon, lat, accuracy FROM patrol_points WHERE patrol = ? ORDER BY at')
    this.#addPoint = sql.prepare(
      'INSERT OR IGNORE INTO patrol_points (patrol, at, lon, lat, accuracy) VALUES (?, ?, ?, ?, ?)',
    )
  }

  get(id: string): Patrol | undefined {
    const row = this.#get.get(id)
    return row === undefined ? undefined : this.#shown(row)
  }

  /** Newest first. */
  list(filter: PatrolFilter, limit: number, after?: Place): readonly Patrol[] {
    const selection = new Selection()
      .among('street', filter.streets)
      .and('team = ?', filter.team)
      .and('section = ?', filter.section)
      .and('started_at >= ?', filter.from)
      .and('started_at < ?', filter.to)
      .and('(started_at, id) < (?, ?)', after?.at, after?.id)
    return this.#parts.database.sql
      .prepare(`SELECT ${COLUMNS} FROM patrols ${selection.where} ORDER BY started_at DESC, id DESC LIMIT ?`)
      .all(...selection.values, limit)
      .map((row) => this.#shown(row))
  }

  course(section: string): Course | undefined {
    const row = this.#parts.database.sql.prepare('SELECT * FROM river_courses WHERE section = ?').get(section)
    if (row === undefined) return undefined
    return { ...(row as unknown as Course), course: JSON.parse(row['course'] as string) as Line }
  }

  courses(streets: readonly string[] | undefined, limit: number, after = ''): readonly Course[] {
    const selection = new Selection().among('street', streets).and('section > ?', after)
    return this.#parts.database.sql
      .prepare(`SELECT * FROM river_courses ${selection.where} ORDER BY section LIMIT ?`)
      .all(...selection.values, limit)
      .map((row) => ({ ...(row as unknown as Course), course: JSON.parse(row['course'] as string) as Line }))
  }

  putCourse({ section, title, street, grid, course }: Course, actor: string): void {
    const { database, audit } = this.#parts
    database.transaction(() => {
      database.sql
        .prepare(
          'INSERT OR REPLACE INTO river_courses (section, title, street, grid, course) VALUES (?,?,?,?,?)',
        )
        .run(section, title, street, grid, JSON.stringify(course))
      audit.note(actor, 'river-course.put', section)
    })
  }

  /** Refused while the same person is on another one. */
  start(place: Pick<Patrol, 'section' | 'street' | 'grid' | 'team'>, actor: string): Patrol {
    const { database, audit, clock } = this.#parts
    const id = randomUUID()
    return database.transaction(() => {
      const other = database.sql
        .prepare('SELECT id FROM patrols WHERE actor = ? AND stopped_at IS NULL')
        .get(actor)
      if (other !== undefined) throw new RegistryError('exists', `stop patrol ${other['id'] as string} first`)
      const now = clock.now()
      database.sql
        .prepare(
          'INSERT INTO patrols (id, section, street, grid, team, actor, started_at, heard_at) VALUES (?,?,?,?,?,?,?,?)',
        )
        .run(id, place.section, place.street, place.grid, place.team, actor, now, now)
      audit.note(actor, 'patrol.start', id, place.section)
      return this.get(id)!
    })
  }

  /** Adds to the track; a point of an instant that is there already changes nothing. Answers how many were new. */
  track(id: string, points: readonly TrackPoint[]): number {
    const { database, clock } = this.#parts
    return database.transaction(() => {
      const patrol = this.#underWay(id)
      const now = clock.now()
      let added = 0
      for (const { at, position, accuracy } of points) {
        if (at < patrol.startedAt - AHEAD_MS || at > now + AHEAD_MS)
          throw new RegistryError('invalid', `points: ${at} is not within the patrol`)
        added += Number(this.#addPoint.run(id, at, position[0], position[1], accuracy ?? null).changes)
      }
      if (patrol.points + added > MOST_POINTS)
        throw new RegistryError('exists', `a patrol has ${MOST_POINTS} points at most`)
      database.sql
        .prepare('UPDATE patrols SET points = points + ?, heard_at = ? WHERE id = ?')
        .run(added, now, id)
      return added
    })
  }

  /** What was found opens a case, or joins the open one of its category on the section. */
  find(
    id: string,
    found: Pick<Finding, 'category' | 'title' | 'note' | 'severity' | 'files'> & {
      readonly finding: string
      readonly position: Position
    },
    actor: string,
  ): PatrolFinding {
    const { database, audit, clock, district } = this.#parts
    return database.transaction(() => {
      const patrol = this.get(id)
      if (patrol === undefined) throw new RegistryError('not_found', `there is no patrol ${id}`)
      const known = patrol.findings.find((each) => each.id === found.finding)
      if (known !== undefined) return known
      this.#underWay(id)
      if (patrol.findings.length >= MOST_FINDINGS)
        throw new RegistryError('exists', `a patrol has ${MOST_FINDINGS} findings at most`)
      const now = clock.now()
      const { finding, position, ...what } = found
      const caseId = openFor(
        occasionOf(
          {
            ...what,
            family: `patrol-${what.category}`,
            site: patrol.section,
            street: patrol.street,
            grid: patrol.grid,
            position,
            seed: `patrol:${id}:${finding}`,
            at: now,
            actor,
          },
          district,
          PROMISED_TO_PEOPLE,
        ),
        this.#parts,
      )
      database.sql
        .prepare(
          'INSERT INTO patrol_findings (patrol, finding, at, category, title, position, case_id) VALUES (?,?,?,?,?,?,?)',
        )
        .run(id, finding, now, what.category, what.title, JSON.stringify(position), caseId)
      database.sql.prepare('UPDATE patrols SET heard_at = ? WHERE id = ?').run(now, id)
      audit.note(actor, 'patrol.find', id, caseId)
      return this.get(id)!.findings.find((each) => each.id === finding)!
    })
  }

  /** Ends it and says how far and how much of the section it went; of one that has ended, the same again. */
  stop(id: string, actor: string): Patrol {
    const { database, audit, clock } = this.#parts
    return database.transaction(() => {
      const patrol = this.get(id)
      if (patrol === undefined) throw new RegistryError('not_found', `there is no patrol ${id}`)
      if (patrol.stoppedAt !== null) return patrol
      const track = cleanTrack(this.trackOf(id))
      const course = this.course(patrol.section)
      database.sql
        .prepare('UPDATE patrols SET stopped_at = ?, metres = ?, coverage = ? WHERE id = ?')
        .run(
          clock.now(),
          trackMetres(track),
          course === undefined ? null : coverage(track, course.course),
          id,
        )
      audit.note(actor, 'patrol.stop', id)
      return this.get(id)!
    })
  }

  /** As it came in. Personal data: whoever shows it to somebody notes that in the audit. */
  trackOf(id: string): readonly TrackPoint[] {
    return this.#track.all(id).map((row) => ({
      at: row['at'] as number,
      position: [row['lon'] as number, row['lat'] as number],
      ...(row['accuracy'] === null ? {} : { accuracy: row['accuracy'] as number }),
    }))
  }

  /** Ends what was forgotten and erases tracks that are old enough; some at a time. True when there is more. */
  lookRound(now: number, keepMs: number): boolean {
    const { database } = this.#parts
    const forgotten = database.sql
      .prepare(`SELECT id FROM patrols WHERE stopped_at IS NULL AND heard_at <= ? LIMIT ${AT_ONCE}`)
      .all(now - FORGOTTEN_MS)
    for (const { id } of forgotten) this.stop(id as string, 'gateway')
    const old = database.sql
      .prepare(
        `SELECT id FROM patrols WHERE stopped_at IS NOT NULL AND erased_at IS NULL AND stopped_at <= ? LIMIT ${AT_ONCE}`,
      )
      .all(now - keepMs)
    database.transaction(() => {
      for (const { id } of old) {
        database.sql.prepare('DELETE FROM patrol_points WHERE patrol = ?').run(id!)
        database.sql.prepare('UPDATE patrols SET erased_at = ? WHERE id = ?').run(now, id!)
      }
    })
    return forgotten.length === AT_ONCE || old.length === AT_ONCE
  }

  #underWay(id: string): { readonly startedAt: number; readonly points: number } {
    const patrol = this.#get.get(id) as
      { startedAt: number; stoppedAt: number | null; points: number } | undefined
    if (patrol === undefined) throw new RegistryError('not_found', `there is no patrol ${id}`)
    if (patrol.stoppedAt !== null) throw new RegistryError('exists', 'the patrol has ended')
    return patrol
  }

  #shown(row: Record<string, unknown>): Patrol {
    const findings = this.#findings.all(row['id'] as string).map((found) => ({
      id: found['id'] as string,
      at: found['at'] as number,
      category: found['category'] as string,
      title: found['title'] as string,
      position: JSON.parse(found['position'] as string) as Position,
      case: found['case_id'] as string,
    }))
    return { ...(row as unknown as Omit<Patrol, 'findings'>), findings }
  }
}
