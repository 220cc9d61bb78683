import { json } from 'node:stream/consumers'
import { linesIn } from './lines.ts'
import { inFile, openRecording, RecordingError } from './recording.ts'
import type { Cells } from './recording-map.ts'

/** Beyond this an array of rows would have to be read piece by piece; JSON lines are. Bytes. */
const ARRAY_LIMIT = 256 * 1024 * 1024
const DEPTH_LIMIT = 8

/**
 * Rows of a JSON file that is an array of objects. An object in an object makes columns with a dot between:
 * `{"a":{"b":1}}` has the column `a.b`.
 */
export async function* jsonRows(file: string, columns: ReadonlySet<string>): AsyncGenerator<Cells> {
  const bytes = openRecording(file)
  let size = 0
  bytes.on('data', (chunk: Buffer) => {
    size += chunk.length
    if (size > ARRAY_LIMIT) bytes.destroy(new Error('is too large for one array; make it JSON lines'))
  })
  let rows: unknown
  try {
    rows = await json(bytes)
  } catch (error) {
    throw inFile(file, error)
  }
  if (!Array.isArray(rows)) throw new RecordingError(`${file} is not an array of objects`)
  yield* checked(file, columns, rows.map(cellsOf))
}

/** The same of a file with an object on each line. */
export async function* jsonLineRows(file: string, columns: ReadonlySet<string>): AsyncGenerator<Cells> {
  yield* checked(file, columns, lineRows(file))
}

async function* lineRows(file: string): AsyncGenerator<Cells> {
  for await (const line of linesOf(file)) yield cellsOf(parsed(line))
}

/** Lines that are not empty. */
export async function* linesOf(file: string, encoding: 'utf8' | 'latin1' = 'utf8'): AsyncGenerator<string> {
  const bytes = openRecording(file)
  try {
    for await (const line of linesIn(bytes.setEncoding(encoding) as AsyncIterable<string>))
      if (line.trim() !== '') yield line
  } catch (error) {
    throw inFile(file, error)
  } finally {
    bytes.destroy()
  }
}

/** Undefined where it is no JSON. */
export function parsed(line: string): unknown {
  try {
    return JSON.parse(line)
  } catch {
    return undefined
  }
}

/** There is no header to look at, so a column that no row has is only known of at the end. */
async function* checked(
  file: string,
  columns: ReadonlySet<string>,
  rows: Iterable<Cells> | AsyncIterable<Cells>,
): AsyncGenerator<Cells> {
  const unseen = new Set(columns)
  for await (const cells of rows) {
    if (unseen.size > 0) for (const column of unseen) if (column in cells) unseen.delete(column)
    yield cells
  }
  if (unseen.size > 0) throw new RecordingError(`${file}: no row has ${[...unseen].join(', ')}`)
}

function cellsOf(row: unknown): Cells {
  const cells: Record<string, string> = Object.create(null) as Record<string, string>
  flatten(row, '', cells, 0)
  return cells
}

function flatten(value: unknown, name: string, cells: Record<string, string>, depth: number): void {
  if (typeof value !== 'object' || value === null) {
    if (name !== '' && value !== null) cells[name] = typeof value === 'string' ? value : JSON.stringify(value)
    return
  }
  if (depth >= DEPTH_LIMIT) return
  for (const [key, inner] of Object.entries(value))
    flatten(inner, name === '' ? key : `${name}.${key}`, cells, depth + 1)
}
