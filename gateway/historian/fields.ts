import { FLAGS, type Flag, type MetricValue, type Position, type StoredReading } from '../model/reading.ts'

export type FieldValue = MetricValue | string

/**
 * What a reading stores (contract §6): its metrics, `{metric}_flag` where a flag is not N, `lon`, `lat`, `alt`;
 * `span`, ms, of a mean; and `delay` and `behind`, ms, where it did not come at once or not in order.
 */
export function fieldsOf(reading: StoredReading): readonly (readonly [name: string, value: FieldValue])[] {
  const fields: (readonly [string, FieldValue])[] = Object.entries(reading.metrics)
  for (const metric in reading.flags) {
    const flag = reading.flags[metric]!
    if (flag !== 'N') fields.push([`${metric}_flag`, flag])
  }
  if (reading.position !== undefined) {
    const [lon, lat, alt] = reading.position
    fields.push(['lon', lon], ['lat', lat])
    if (alt !== undefined) fields.push(['alt', alt])
  }
  if (reading.span !== undefined) fields.push(['span', reading.span])
  if (reading.delay !== undefined) fields.push(['delay', reading.delay])
  if (reading.behind !== undefined) fields.push(['behind', reading.behind])
  return fields
}

type Open<T> = { -readonly [K in keyof T]: T[K] }

/** Puts a reading together again from what {@link fieldsOf} made of it. One after another. */
export class ReadingBuilder {
  #metrics: Record<string, MetricValue> = {}
  #flags: Record<string, Flag> | undefined
  #position: number[] | undefined
  #span: number | undefined
  #delay: number | undefined
  #behind: number | undefined

  /** How a field is put in: found once, for it is done a million times. */
  putter(name: string): (value: FieldValue) => void {
    switch (name) {
      case 'lon':
        return (value) => this.#placeAt(0, value)
      case 'lat':
        return (value) => this.#placeAt(1, value)
      case 'alt':
        return (value) => this.#placeAt(2, value)
      case 'span':
        return (value) => (this.#span = Number(value))
      case 'delay':
        return (value) => (this.#delay = Number(value))
      case 'behind':
        return (value) => (this.#behind = Number(value))
    }
    if (!name.endsWith('_flag')) return (value) => (this.#metrics[name] = value as MetricValue)
    const metric = name.slice(0, -'_flag'.length)
    return (value) => {
      if (FLAGS.includes(value as Flag)) (this.#flags ??= {})[metric] = value as Flag
    }
  }

  /** The reading, and an empty builder for the next one. */
  take(ts: number): StoredReading {
    const reading: Open<StoredReading> = { ts, metrics: this.#metrics }
    this.#metrics = {}
    if (this.#flags !== undefined) reading.flags = this.#flags
    if (this.#position !== undefined) reading.position = this.#position as unknown as Position
    if (this.#span !== undefined) reading.span = this.#span
    if (this.#delay !== undefined) reading.delay = this.#delay
    if (this.#behind !== undefined) reading.behind = this.#behind
    this.#flags = this.#position = this.#span = this.#delay = this.#behind = undefined
    return reading
  }

  #placeAt(index: number, value: FieldValue): void {
    this.#position ??= [0, 0]
    this.#position[index] = Number(value)
  }
}
