import { parse } from 'csv-parse'
import { pipeline } from 'node:stream'
import { inFile, openRecording, RecordingError } from './recording.ts'
import type { Cells } from './recording-map.ts'

/** Rows of a CSV file with a header that has at least these columns. */
export async function* csvRows(file: string, columns: ReadonlySet<string>): AsyncGenerator<Cells> {
  const parser = parse({
    bom: true,
    trim: true,
    skip_empty_lines: true,
    relax_column_count: true,
    max_record_size: 1_048_576,
    columns: (header: string[]) => {
      const missing = [...columns].filter((column) => !header.includes(column))
      if (missing.length > 0)
        throw new RecordingError(`${file} has no column ${missing.join(', ')}; it has ${header.join(', ')}`)
      return header
    },
  })
  const bytes = openRecording(file)
  pipeline(bytes, parser, (error) => {
    if (error) parser.destroy(error)
  })
  try {
    for await (const cells of parser as AsyncIterable<Cells>) yield cells
  } catch (error) {
    throw inFile(file, error)
  } finally {
    bytes.destroy()
  }
}
