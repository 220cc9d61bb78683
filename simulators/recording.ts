import { createReadStream } from 'node:fs'
import { pipeline } from 'node:stream'
import { createGunzip } from 'node:zlib'
import { parse } from 'csv-parse'
import { DateTime } from 'luxon'
import type { Mark, Reading } from './reading.ts'
import { columnsOf, type MetricSource, type RecordingMap } from './recording-map.ts'
import { CONVERSIONS, convert } from './units.ts'

/** Why a row, or a value of it, was left out. */
export type Skip = 'bad_time' | 'bad_number' | 'empty_cell' | 'qualifier' | 'unknown_qualifier' | 'no_values'

export interface Row {
  /** Null when the row's time cannot be read; it then has no readings. */
  readonly ts: number | null
  /** One for each device of the map that the row has values for. */
  readonly readings: readonly { readonly device: string; readonly reading: Reading }[]
  readonly skips: readonly Skip[]
}

/** The recording cannot be read as the map says. */
export class RecordingError extends Error {
  override readonly name = 'RecordingError'
}

type Cells = Readonly<Record<string, string>>

/** A CSV file (also .gz) read through a map, row by row in the file's order, in little memory. */
export class Recording {
  readonly #file: string
  readonly #map: RecordingMap
  readonly #empty: ReadonlySet<string>

  constructor(file: string, map: RecordingMap) {
    this.#file = file
    this.#map = map
    this.#empty = new Set(['', ...(map.empty ?? [])])
  }

  async *rows(): AsyncGenerator<Row> {
    const parser = parse({
      bom: true,
      trim: true,
      skip_empty_lines: true,
      relax_column_count: true,
      max_record_size: 1_048_576,
      columns: (header: string[]) => {
        this.#check(header)
        return header
      },
    })
    const file = createReadStream(this.#file)
    const done = (error: Error | null | undefined): void => {
      if (error) parser.destroy(error)
    }
    if (this.#file.endsWith('.gz')) pipeline(file, createGunzip(), parser, done)
    else pipeline(file, parser, done)
    try {
      for await (const cells of parser as AsyncIterable<Cells>) yield this.#row(cells)
    } catch (error) {
      throw error instanceof RecordingError
        ? error
        : new RecordingError(`${this.#file}: ${(error as Error).message}`)
    } finally {
      file.destroy()
    }
  }

  #check(header: readonly string[]): void {
    const missing = [...columnsOf(this.#map)].filter((column) => !header.includes(column))
    if (missing.length === 0) return
    throw new RecordingError(`${this.#file} has no column ${missing.join(', ')}; it has ${header.join(', ')}`)
  }

  #row(cells: Cells): Row {
    const ts = this.#time(cells)
    if (ts === null) return { ts, readings: [], skips: ['bad_time'] }
    const skips: Skip[] = []
    const readings: { device: string; reading: Reading }[] = []
    for (const { id, metrics, constants } of this.#map.devices) {
      const reading: Reading = { ts, metrics: {} }
      for (const [metric, source] of Object.entries(metrics)) {
        const skip = this.#take(cells, metric, source, reading)
        if (skip !== null) skips.push(skip)
      }
      if (Object.keys(reading.metrics).length === 0) skips.push('no_values')
      else {
        Object.assign(reading.metrics, constants)
        readings.push({ device: id, reading })
      }
    }
    return { ts, readings, skips }
  }

  #time(cells: Cells): number | null {
    const { columns, format, zone = 'utc' } = this.#map.time
    const text = columns.map((column) => cells[column] ?? '').join(' ')
    if (format === 'seconds' || format === 'milliseconds') {
      const ts = text === '' ? NaN : Math.round(Number(text) * (format === 'seconds' ? 1000 : 1))
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

function factors({ factor = 1, offset = 0 }: MetricSource): { factor: number; offset: number } {
  return { factor, offset }
}
