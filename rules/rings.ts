/**
 * What the windows of a plan remember of a device, in one array: `[group… | floor… | row…]`. A window has a ring of
 * records. Rings that fill at one pace are a group: their records lie beside each other, row by row, so that most
 * readings touch one place in memory for all of them. Nothing is allocated but when a group grows, and nothing before
 * its first record.
 *
 * Records go by position, counted from the first that their window ever had; a ring holds the last so many of them.
 */
export interface Ring {
  /** Where the numbers of its group are. */
  readonly group: number
  /** Where its floor is: the position before which nobody looks any more. */
  readonly floor: number
  /** Where its records begin in a row. */
  readonly offset: number
  readonly recordSize: number
  /** Numbers of a row: of the records of the whole group. */
  readonly rowSize: number
}

/** Numbers of a group: where its rows begin, and how many there are, a power of two, less one. */
const START = 0
const MASK = 1
const GROUP_NUMBERS = 2
const FIRST_ROWS = 32

/** `pace`: rings of the same are a group. */
export function ringsOf(all: readonly { readonly pace: string; readonly recordSize: number }[]): Ring[] {
  const paces = [...new Set(all.map(({ pace }) => pace))]
  const rowSizes = paces.map(() => 0)
  const placed = all.map(({ pace, recordSize }) => {
    const group = paces.indexOf(pace)
    rowSizes[group]! += recordSize
    return { group, offset: rowSizes[group]! - recordSize, recordSize }
  })
  return placed.map(({ group, offset, recordSize }, index) => ({
    group: group * GROUP_NUMBERS,
    floor: paces.length * GROUP_NUMBERS + index,
    offset,
    recordSize,
    rowSize: rowSizes[group]!,
  }))
}

/** Rings without records. */
export function emptyRings(all: readonly Ring[]): Float64Array {
  return placed(all, () => 0)
}

/** Where the record is. */
export function recordAt(rings: Float64Array, ring: Ring, position: number): number {
  return rings[ring.group]! + (position & rings[ring.group + MASK]!) * ring.rowSize + ring.offset
}

/** Whether there is no room for a record at the position. */
export function isFull(rings: Float64Array, { group, floor }: Ring, position: number): boolean {
  return position - rings[floor]! > rings[group + MASK]!
}

/**
 * With room in the one that is full. Those that will be full soon grow at once, for all records are moved. `oldestOf`:
 * the position of the oldest record that anybody still looks at; `endOf`: the one behind the newest.
 */
export function roomier<Its extends Ring>(
  rings: Float64Array,
  all: readonly Its[],
  full: Its,
  oldestOf: (ring: Its) => number,
  endOf: (ring: Its) => number,
): Float64Array {
  for (const ring of all) rings[ring.floor] = oldestOf(ring)
  const isTight = (ring: Its) => (endOf(ring) - rings[ring.floor]!) * 8 > rowsOf(rings, ring) * 7
  // A ring that is nearly full would have to look for its oldest again and again.
  if (rowsOf(rings, full) > 0 && !isTight(full)) return rings
  const tight = new Set([full, ...all.filter(isTight)].map(({ group }) => group))
  const grown = placed(all, (ring) => {
    const rows = rowsOf(rings, ring)
    return tight.has(ring.group) ? Math.max(FIRST_ROWS, rows * 2) : rows
  })
  for (const ring of all) copyRing(rings, ring, grown, ring)
  return grown
}

/** Some of the rings in another order: `from` names them one by one. */
export function rearranged(rings: Float64Array, from: readonly Ring[], all: readonly Ring[]): Float64Array {
  const former = new Map(all.map((ring, index) => [ring, from[index]!]))
  const copy = placed(all, (ring) => rowsOf(rings, former.get(ring)!))
  for (const [index, ring] of all.entries()) copyRing(rings, from[index]!, copy, ring)
  return copy
}

function rowsOf(rings: Float64Array, { group }: Ring): number {
  return rings[group + MASK]! + 1
}

/** Rings of one group say how many rows they need each; the most are made. */
function placed<Its extends Ring>(all: readonly Its[], rowsFor: (ring: Its) => number): Float64Array {
  const groups = new Map<number, { rows: number; rowSize: number }>()
  for (const ring of all) {
    const rows = Math.max(groups.get(ring.group)?.rows ?? 0, rowsFor(ring))
    groups.set(ring.group, { rows, rowSize: ring.rowSize })
  }
  let end = groups.size * GROUP_NUMBERS + all.length
  const starts = [...groups].map(([group, { rows, rowSize }]) => {
    end += rows * rowSize
    return { group, start: end - rows * rowSize, rows }
  })
  const rings = new Float64Array(end)
  for (const { group, start, rows } of starts) {
    rings[group + START] = start
    rings[group + MASK] = rows - 1
  }
  return rings
}

function copyRing(from: Float64Array, its: Ring, to: Float64Array, ring: Ring): void {
  const floor = from[its.floor]!
  to[ring.floor] = floor
  for (let position = floor; !isFull(from, its, position); position++) {
    const [record, target] = [recordAt(from, its, position), recordAt(to, ring, position)]
    for (let index = 0; index < ring.recordSize; index++) to[target + index] = from[record + index]!
  }
}
