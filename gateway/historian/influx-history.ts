import type { History, Recorded, Stretch } from '../model/pipeline.ts'
import type { Origin } from '../model/reading.ts'
import { ReadingBuilder } from './fields.ts'
import type { Wire } from './influx.ts'
import { identifier, literal, rowsOf, stretchOf } from './influxql.ts'

/** Readings in an answer at most. */
const ROWS = 5000
/**
 * Length of the first question, ms. An answer that is full halves the next one, one that is nearly empty
 * doubles it: so neither a device with a reading a second nor one with a reading a month takes many.
 */
const FIRST_SPAN = 7 * 86_400_000
const SHORTEST_SPAN = 60_000

/** The history over InfluxDB, whichever generation is behind the wire. */
export class InfluxHistory implements History {
  readonly #wire: Wire

  constructor(wire: Wire) {
    this.#wire = wire
  }

  async devices(kind: string): Promise<readonly string[]> {
    const answer = await this.#wire.ask(`SHOW TAG VALUES FROM ${identifier(kind)} WITH KEY = "device"`)
    return rowsOf(answer)
      .rows.map(([, device]) => String(device))
      .sort()
  }

  async *scan({ device, kind, from, to }: Stretch): AsyncIterable<readonly Recorded[]> {
    const select = `SELECT * FROM ${identifier(kind)} WHERE "device" = ${literal(device)}`
    const [first, last] = await this.#ends(kind, device, from, to)
    let span = FIRST_SPAN
    for (let at = first; at <= last;) {
      const end = Math.min(at + span, last + 1)
      const answer = await this.#wire.ask(
        `${select} AND ${stretchOf(at, end)} ORDER BY time ASC LIMIT ${ROWS}`,
      )
      const chunk = recorded(answer, device, kind)
      const isFull = chunk.length >= ROWS
      // Of a full answer's last instant there may be more, under other tags: it is asked for again.
      const next = isFull ? chunk.at(-1)!.reading.ts : end
      const whole = isFull ? chunk.filter(({ reading }) => reading.ts < next) : chunk
      if (isFull && whole.length === 0) throw new Error(`more than ${ROWS} readings of ${device} at ${next}`)
      if (whole.length > 0) yield whole
      at = next
      if (isFull) span = Math.max(span / 2, SHORTEST_SPAN)
      else if (chunk.length < ROWS / 4) span *= 2
    }
  }

  close(): void {}

  /** Times of the first and the last reading: InfluxQL takes the centuries around them as they come. */
  async #ends(kind: string, device: string, from: number, to: number): Promise<[number, number]> {
    const where = `FROM ${identifier(kind)} WHERE "device" = ${literal(device)} AND ${stretchOf(from, to)}`
    const time = async (order: string) =>
      rowsOf(await this.#wire.ask(`SELECT * ${where} ORDER BY time ${order} LIMIT 1`)).rows[0]?.[0]
    const first = await time('ASC')
    if (first === undefined) return [0, -1]
    return [Number(first), Number(await time('DESC'))]
  }
}

const TAGS = ['site', 'street', 'grid']

/** Rows of `SELECT *`: time, tags and fields as columns; null where a row has no such field. */
function recorded(answer: unknown, device: string, kind: string): Recorded[] {
  const { columns, rows } = rowsOf(answer)
  const builder = new ReadingBuilder()
  const time = columns.indexOf('time')
  const tags = TAGS.map((name) => columns.indexOf(name))
  const putters = columns.map((name) =>
    name === 'time' || name === 'device' || TAGS.includes(name) ? null : builder.putter(name),
  )
  let origin: Origin = { device, kind, site: '', street: '', grid: '' }
  return rows.map((row) => {
    // An empty tag is none at all to InfluxDB.
    const [site = '', street = '', grid = ''] = tags.map((at) => String(row[at] ?? ''))
    if (site !== origin.site || street !== origin.street || grid !== origin.grid)
      origin = { device, kind, site, street, grid }
    for (const [index, put] of putters.entries()) {
      const value = row[index] ?? null
      if (put !== null && value !== null) put(value)
    }
    return { origin, reading: builder.take(Number(row[time])) }
  })
}
