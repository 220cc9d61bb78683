import { CsvError, parse } from 'csv-parse/sync'
import type { NewDevice } from './devices.ts'

/** Something that is wrong with the file; `line` counts from 1, as editors do. */
export interface ImportProblem {
  readonly line: number
  readonly message: string
}

/** A line of the file as a device; whether it may be registered has not been looked at. */
export interface DeviceRow extends NewDevice {
  readonly line: number
}

const REQUIRED = ['id', 'kind', 'site', 'street', 'grid']
const OPTIONAL = ['lon', 'lat', 'alt', 'secret']
const ATTRIBUTE = 'attr.'

/** Rows of one file, and bytes of one row. */
const MOST = 100_000
const LONGEST = 65_536
/** Problems named at most: beyond that the file is of another kind altogether. */
const REPORTED = 100

/** As JSON writes numbers, so that a code such as 007 stays text. */
const number = /^-?(0|[1-9]\d*)(\.\d+)?$/

/**
 * The devices of a CSV file and what is wrong with the file: a header with id, kind, site, street, grid and, as
 * wanted, lon, lat, alt, secret and `attr.NAME` for attributes. Attributes that read as a number, `true` or
 * `false` are taken as such; an empty cell is absent. Whether a device may be registered says the registry.
 */
export function readDeviceFile(csv: Uint8Array): {
  readonly rows: readonly DeviceRow[]
  readonly problems: readonly ImportProblem[]
} {
  const problems: ImportProblem[] = []
  const rows = withoutRepeats(readRows(csv, problems), problems)
  problems.sort((a, b) => a.line - b.line)
  return { rows, problems: problems.slice(0, REPORTED) }
}

function readRows(csv: Uint8Array, problems: ImportProblem[]): DeviceRow[] {
  let records: { record: string[]; info: { lines: number } }[]
  try {
    const text = new TextDecoder('utf-8', { fatal: true }).decode(csv)
    records = parse(text, {
      info: true,
      relax_column_count: true,
      skip_empty_lines: true,
      trim: true,
      max_record_size: LONGEST,
      to: MOST + 2,
    }) as unknown as typeof records
  } catch (error) {
    const line = error instanceof CsvError ? Number(error['lines'] ?? 1) : 1
    const message =
      error instanceof CsvError ? error.message : 'the file is not UTF-8 text; save it as CSV UTF-8'
    problems.push({ line, message })
    return []
  }
  const [header, ...rows] = records
  const complaint = complaintAbout(header?.record ?? [])
  if (complaint !== null) {
    problems.push({ line: header?.info.lines ?? 1, message: complaint })
    return []
  }
  if (rows.length > MOST) {
    problems.push({
      line: rows[MOST]!.info.lines,
      message: `more than ${MOST} devices; expected smaller files`,
    })
    return []
  }
  return rows.flatMap(({ record, info: { lines: line } }) => {
    if (record.length === header!.record.length) return rowOf(header!.record, record, line)
    problems.push({
      line,
      message: `${record.length} cells; expected ${header!.record.length} as in the header`,
    })
    return []
  })
}

function complaintAbout(header: readonly string[]): string | null {
  const missing = REQUIRED.filter((name) => !header.includes(name))
  if (missing.length > 0) return `header: ${missing.join(', ')} missing`
  const unknown = header.find(
    (name) => !REQUIRED.includes(name) && !OPTIONAL.includes(name) && !name.startsWith(ATTRIBUTE),
  )
  const known = [...REQUIRED, ...OPTIONAL, `${ATTRIBUTE}NAME`].join(', ')
  if (unknown !== undefined) return `header: ${JSON.stringify(unknown)} is unknown; expected ${known}`
  const repeated = header.find((name, i) => header.indexOf(name) !== i)
  return repeated === undefined ? null : `header: ${JSON.stringify(repeated)} is there twice`
}

function rowOf(header: readonly string[], cells: readonly string[], line: number): DeviceRow {
  const cell = (name: string) => cells[header.indexOf(name)] || undefined
  const attributes = header.flatMap((name, i) =>
    name.startsWith(ATTRIBUTE) && cells[i] !== '' ? [[name.slice(ATTRIBUTE.length), valueOf(cells[i]!)]] : [],
  )
  const place = ['lon', 'lat', 'alt'].map(cell)
  const device = {
    ...Object.fromEntries(REQUIRED.map((name) => [name, cell(name) ?? ''])),
    // Half a place is kept as it is, to be refused with the rest.
    ...(place.some((value) => value !== undefined) && {
      position: place.slice(0, place[2] === undefined ? 2 : 3).map((value) => valueOf(value ?? '')),
    }),
    ...(attributes.length > 0 && { attributes: Object.fromEntries(attributes) as Record<string, unknown> }),
  }
  return { line, device, secret: cell('secret') }
}

function valueOf(text: string): string | number | boolean {
  if (text === 'true' || text === 'false') return text === 'true'
  return number.test(text) ? Number(text) : text
}

function withoutRepeats(rows: readonly DeviceRow[], problems: ImportProblem[]): DeviceRow[] {
  const lines = new Map<string, number>()
  return rows.filter(({ line, device }) => {
    const { id } = device as { id: string }
    const first = lines.get(id)
    if (first !== undefined) {
      problems.push({ line, message: `id: "${id}" is on line ${first} already` })
      return false
    }
    lines.set(id, line)
    return true
  })
}
