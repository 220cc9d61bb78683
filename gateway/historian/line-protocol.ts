import type { AlarmChange } from '../model/pipeline.ts'
import type { Origin, StoredReading } from '../model/reading.ts'

/**
 * InfluxDB line protocol of contract §6, times in milliseconds:
 *
 *     {kind},device=…,site=…,street=…,grid=… fume=2.35,fan=true,fume_flag="M",lon=120.857,lat=32.01 1718000000123
 *
 * Written by hand: this runs once per reading, and the client libraries' point classes cost three times as much.
 */
export class LineProtocol {
  /** Measurement and tags of an origin; origins are immutable and live as long as anything refers to them. */
  readonly #heads = new WeakMap<Origin, string>()
  /** Escaped field keys. Metric names come from the kinds, so there are few. */
  readonly #keys = new Map<string, string>()

  /**
   * One line without its line feed; empty when the reading holds nothing to store. Throws
   * {@link Unwritable} when a name cannot be expressed.
   */
  reading(origin: Origin, reading: StoredReading): string {
    let fields = ''
    for (const metric in reading.metrics) {
      fields += `,${this.#key(metric)}=${reading.metrics[metric]}`
    }
    if (reading.flags !== undefined) {
      for (const metric in reading.flags) {
        const flag = reading.flags[metric]!
        if (flag !== 'N') fields += `,${this.#key(`${metric}_flag`)}=${fieldString(flag)}`
      }
    }
    const position = reading.position
    if (position !== undefined) {
      fields += `,lon=${position[0]},lat=${position[1]}`
      if (position.length === 3) fields += `,alt=${position[2]}`
    }
    if (reading.span !== undefined) fields += `,span=${reading.span}`
    if (reading.delay !== undefined) fields += `,delay=${reading.delay}`
    if (reading.behind !== undefined) fields += `,behind=${reading.behind}`
    if (fields === '') return ''
    return `${this.#head(origin)} ${fields.slice(1)} ${reading.ts}`
  }

  alarm({ at, alarm }: AlarmChange): string {
    const { rule, device, street, severity } = alarm
    return `${head('alarm', { rule, device, street, severity })} state=${fieldString(alarm.state)} ${at}`
  }

  #head(origin: Origin): string {
    let text = this.#heads.get(origin)
    if (text === undefined) {
      const { kind, device, site, street, grid } = origin
      text = head(kind, { device, site, street, grid })
      this.#heads.set(origin, text)
    }
    return text
  }

  #key(name: string): string {
    let text = this.#keys.get(name)
    if (text === undefined) {
      text = escapeTag(name)
      this.#keys.set(name, text)
    }
    return text
  }
}

/** A name that line protocol has no way to express. */
export class Unwritable extends Error {
  override readonly name = 'Unwritable'
}

/**
 * A backslash only escapes what follows it and cannot be escaped itself, so it must not end a name; a line
 * feed always ends the line.
 */
function writable(name: string): string {
  if (name === '' || name.endsWith('\\') || /[\n\r\0]/.test(name)) {
    throw new Unwritable(`${JSON.stringify(name)} cannot be written in line protocol`)
  }
  return name
}

function escapeTag(name: string): string {
  return writable(name).replaceAll(/[,= ]/g, '\\$&')
}

function escapeMeasurement(name: string): string {
  // A comment, and a tabulator that InfluxDB skips.
  if (/^[#\t]/.test(name))
    throw new Unwritable(`${JSON.stringify(name)} cannot begin a line of line protocol`)
  return writable(name).replaceAll(/[, ]/g, '\\$&')
}

function fieldString(text: string): string {
  return `"${text.replaceAll(/["\\]/g, '\\$&')}"`
}

/** Tag values must not be empty: such a tag is left out, which InfluxDB reads back as an empty one. */
function head(measurement: string, tags: Readonly<Record<string, string>>): string {
  let text = escapeMeasurement(measurement)
  for (const [key, value] of Object.entries(tags)) {
    if (value !== '') text += `,${key}=${escapeTag(value)}`
  }
  return text
}
