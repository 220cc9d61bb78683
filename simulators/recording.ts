import { createReadStream } from 'node:fs'
import { PassThrough, pipeline, type Readable } from 'node:stream'
import { createGunzip } from 'node:zlib'
import type { Registration } from './reading.ts'

/** Why a row, or a value of it, was left out. */
export type Skip =
  | 'bad_time'
  | 'bad_number'
  | 'empty_cell'
  | 'qualifier'
  | 'unknown_qualifier'
  | 'no_values'
  /** Nobody in the map is who the row is about. */
  | 'not_mapped'
  /** Bytes between two frames that are none. */
  | 'damaged'
  /** A recorded message that no device has sent: an alarm, an order. */
  | 'not_from_a_device'

/** A stretch of a recording that is played at once. */
export interface Row<T> {
  /** Epoch ms; null when it cannot be read. */
  readonly ts: number | null
  /** Who says what; devices by their ids in the recording. */
  readonly said: readonly { readonly device: string; readonly what: T }[]
  readonly skips: readonly Skip[]
}

/** A file that can be played, row by row in its order, as often as it is asked for, in little memory. */
export interface Recording<T> {
  rows(): AsyncIterable<Row<T>>
  /** Those that speak in it; complete once it has been read through. */
  devices(): Iterable<Registration>
}

/** The recording cannot be read as it was said. */
export class RecordingError extends Error {
  override readonly name = 'RecordingError'
}

/** The bytes of a file, unpacked when it is named `.gz`. What goes wrong destroys the stream with the reason. */
export function openRecording(file: string): Readable {
  const bytes = new PassThrough()
  const source = createReadStream(file)
  const done = (error: Error | null | undefined): void => {
    if (error) bytes.destroy(error)
  }
  if (file.endsWith('.gz')) pipeline(source, createGunzip(), bytes, done)
  else pipeline(source, bytes, done)
  return bytes
}

/** The same error with the file's name in front, once. */
export function inFile(file: string, error: unknown): RecordingError {
  if (error instanceof RecordingError) return error
  return new RecordingError(`${file}: ${(error as Error).message}`, { cause: error })
}
