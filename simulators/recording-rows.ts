import { DateTime } from 'luxon'
import type { Mark, Position, Reading, Registration } from './reading.ts'
import { csvRows } from './recording-csv.ts'
import { jsonLineRows, jsonRows } from './recording-json.ts'
import {
  columnsOf,
  type Cells,
  type MappedDevice,
  type MetricSource,
  type RecordingMap,
} from './recording-map.ts'
import { tlogRows } from './recording-tlog.ts'
import type { Recording, Row, Skip } from './recording.ts'
import { CONVERSIONS, convert } from './units.ts'

const READERS = { csv: csvRows, json: jsonRows, jsonl: jsonLineRows, tlog: tlogRows } as const
export type RowFormat = keyof typeof READERS

/** A table read through a map: CSV, JSON, JSON lines, or the frames of a MAVLink log. */
export class RowRecording implements Recording<Reading> {
  readonly #file: string
  readonly #format: RowFormat
  readonly #map: RecordingMap
  readonly #empty: ReadonlySet<string>

  constructor(file: string, format: RowFormat, map: RecordingMap) {
    this.#file = file
    this.#format = format
    this.#map = map
    this.#empty = new Set(['', ...(map.empty ?? [])])
  }

  devices(): Registration[] {
    return this.#map.devices.map(({ id, kind, site, street, grid, position, attributes }) => ({
      id,
      kind,
      site,
      street,
      grid,
      ...(position && { position }),
      attributes: { ...attributes, source: this.#map.source },
    }))
  }

  async *rows(): AsyncGenerator<Row<Reading>> {
    if (this.#map.order === 'time') yield* await this.#sorted()
    else for await (const cells of this.#cells()) yield this.#row(cells)
  }

  /** Rows without a time come last. */
  async #sorted(): Promise<Row<Reading>[]> {
    const rows: Row<Reading>[] = []
    for await (const cells of this.#cells()) rows.push(this.#row(cells))
    return rows.sort((a, b) => (a.ts ?? Infinity) - (b.ts ?? Infinity) || 0)
  }

  #cells(): AsyncIterable<Cells | null> {
    return READERS[this.#format](this.#file, columnsOf(this.#map))
  }

  #row(cells: Cells | null): Row<Reading> {
    if (cells === null) return { ts: null, said: [], skips: ['damaged'] }
    const ts = this.#time(cells)
    if (ts === null) return { ts, said: [], skips: ['bad_time'] }
    const skips: Skip[] = []
    const said: { device: string; what: Reading }[] = []
    const concerned = this.#map.devices.filter(({ where }) => where === undefined || isIn(where, cells))
    if (concerned.length === 0) skips.push('not_mapped')
    for (const device of concerned) {
      const reading = this.#reading(device, ts, cells, skips)
      if (reading === null) skips.push('no_values')
      else said.push({ device: device.id, what: reading })
    }
    return { ts, said, skips }
  }

  #reading(device: MappedDevice, ts: number, cells: Cells, skips: Skip[]): Reading | null {
    const reading: Reading = { ts, metrics: {} }
    for (const [metric, source] of Object.entries(device.metrics)) {
      const skip = this.#take(cells, metric, source, reading)
      if (skip !== null) skips.push(skip)
    }
    if (Object.keys(reading.metrics).length === 0) return null
    Object.assign(reading.metrics, device.constants)
    if (device.track !== undefined) {
      const position = device.track.map((column) => Number(cells[column] ?? NaN))
      if (position.every(Number.isFinite)) reading.position = position as Position
      else skips.push('bad_number')
    }
    return reading
  }

  #time(cells: Cells): number | null {
    const { columns, format, zone = 'utc' } = this.#map.time
    const text = columns.map((column) => cells[column] ?? '').join(' ')
    const unit = UNITS.get(format)
    if (unit !== undefined) {
      const ts = text === '' ? NaN : Math.round(Number(text) * unit)
      return Number.isSafeInteger(ts) ? ts : null
    }
    const time =
      format === 'iso' ? DateTime.fromISO(text, { zone }) : DateTime.fromFormat(text, format, { zone })
    return time.isValid ? time.toMillis() : null
  }

  /** Puts a cell's value into the reading, or says why not. */
  #take(cells: Cells, metric: string, source: MetricSource, reading: Reading): Skip | null {
    const cell = cells[source.column] ?? ''
    if (this.#empty.has(cell)) return 'empty_cell'
    const mark = this.#mark(cells, source)
    if (mark === 'skip') return 'qualifier'
    if (mark === undefined) return 'unknown_qualifier'
    if (source.is === undefined) {
      const number = Number(cell)
      if (!Number.isFinite(number)) return 'bad_number'
      reading.metrics[metric] = convert(
        number,
        source.convert === undefined ? factors(source) : CONVERSIONS[source.convert]!,
      )
    } else {
      reading.metrics[metric] = cell === source.is
    }
    if (mark !== 'N') (reading.flags ??= {})[metric] = mark
    return null
  }

  /** What the value's mark means; undefined when the map does not know it. */
  #mark(cells: Cells, source: MetricSource): Mark | 'N' | 'skip' | undefined {
    const text = source.qualifier === undefined ? '' : (cells[source.qualifier] ?? '')
    return text === '' ? 'N' : this.#map.qualifiers?.[text]
  }
}

/** Of times since 1970, in ms. */
const UNITS: ReadonlyMap<string, number> = new Map([
  ['seconds', 1000],
  ['milliseconds', 1],
  ['microseconds', 0.001],
])

function isIn(where: Readonly<Record<string, string>>, cells: Cells): boolean {
  return Object.entries(where).every(([column, text]) => cells[column] === text)
}

function factors({ factor = 1, offset = 0 }: MetricSource): { factor: number; offset: number } {
  return { factor, offset }
}
