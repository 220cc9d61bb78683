import { distanceMetres } from '../dispatch/distance.ts'
import type { Position } from '../model/reading.ts'

/** A place where a patrol was, as its phone says. */
export interface TrackPoint {
  /** Epoch ms. */
  readonly at: number
  readonly position: Position
  /** Radius within which the phone believes itself to be, metres. */
  readonly accuracy?: number | undefined
}

/** What a section of a river looks like on the map: its course, WGS-84. */
export type Line = readonly Position[]

/** A phone that is less sure than this of where it is, metres, says nothing about a river bank [P]. */
const WORST_ACCURACY = 50
/** Faster than a boat on patrol, m/s: the phone was wrong [P]. */
const FASTEST = 15
/** A course is walked where a track comes this near, metres [P]. */
const NEAR = 50
/** The course is looked at every so many metres. */
const STEP = 20
/** Between two places of a track that are further apart than this, metres, nobody knows the way [P]. */
const GAP = 200

/**
 * The track in order of time, without what cannot be: places that the phone was not sure of, that were sent twice, and
 * that nobody can have reached since the one before.
 */
export function cleanTrack(points: readonly TrackPoint[]): readonly TrackPoint[] {
  const sorted = [...points]
    .filter(({ accuracy }) => accuracy === undefined || accuracy <= WORST_ACCURACY)
    .sort((a, b) => a.at - b.at)
  const kept: TrackPoint[] = []
  for (const point of sorted) {
    const last = kept.at(-1)
    if (last === undefined) kept.push(point)
    else if (point.at > last.at) {
      const metres = distanceMetres(last.position, point.position)
      if (metres <= ((point.at - last.at) / 1000) * FASTEST) kept.push(point)
    }
  }
  return kept
}

/** Length of a cleaned track, metres. */
export function trackMetres(track: readonly TrackPoint[]): number {
  let metres = 0
  for (let i = 1; i < track.length; i++) metres += distanceMetres(track[i - 1]!.position, track[i]!.position)
  return Math.round(metres)
}

/** Which share of the section's course the track came near to, 0 to 1. */
export function coverage(track: readonly TrackPoint[], course: Line): number {
  const cells = new Map<string, Position[]>()
  for (const place of filled(
    track.map(({ position }) => position),
    GAP,
  )) {
    const cell = cellOf(place, 0, 0)
    const there = cells.get(cell)
    if (there === undefined) cells.set(cell, [place])
    else there.push(place)
  }
  const steps = [...filled(course, Infinity)]
  const walked = steps.filter((step) =>
    NEIGHBOURS.some(([east, north]) =>
      cells.get(cellOf(step, east, north))?.some((place) => distanceMetres(place, step) <= NEAR),
    ),
  )
  return steps.length === 0 ? 0 : walked.length / steps.length
}

/** Degrees of a cell that is wider than {@link NEAR} below 70° of latitude, so that neighbours are enough. */
const CELL = 0.0015
const NEIGHBOURS = [-1, 0, 1].flatMap((east) => [-1, 0, 1].map((north) => [east, north] as const))

function cellOf([lon, lat]: Position, east: number, north: number): string {
  return `${Math.floor(lon / CELL) + east} ${Math.floor(lat / CELL) + north}`
}

/** The line with a place every {@link STEP} metres at least, straight between its own, except across wider gaps. */
function* filled(line: Line, gap: number): Generator<Position> {
  for (const [index, place] of line.entries()) {
    const last = line[index - 1]
    if (last !== undefined) {
      const metres = distanceMetres(last, place)
      const parts = metres > gap ? 1 : Math.ceil(metres / STEP)
      for (let part = 1; part < parts; part++) {
        const share = part / parts
        yield [last[0] + (place[0] - last[0]) * share, last[1] + (place[1] - last[1]) * share]
      }
    }
    yield place
  }
}
