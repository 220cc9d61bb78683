import { framesIn, type LoggedFrame } from './hj212-frame.ts'
import type { Registration } from './reading.ts'
import { linesOf } from './recording-json.ts'
import { registrationsOf, type Roster } from './recording-map.ts'
import type { Recording, Row } from './recording.ts'

/** The frames of an HJ 212 log, one or more a line, whatever else stands in the line. */
export class FrameRecording implements Recording<LoggedFrame> {
  readonly #file: string
  readonly #devices: readonly Registration[]
  readonly #byMn: ReadonlyMap<string, string>

  constructor(file: string, roster: Roster) {
    this.#file = file
    this.#devices = registrationsOf(roster)
    this.#byMn = new Map(
      roster.devices.flatMap(({ id, hj212 }) => (hj212 === undefined ? [] : [[hj212.mn, id] as const])),
    )
  }

  devices(): Iterable<Registration> {
    return this.#devices
  }

  async *rows(): AsyncGenerator<Row<LoggedFrame>> {
    for await (const line of linesOf(this.#file, 'latin1')) {
      for (const frame of framesIn(line)) {
        const { ts, mn } = frame
        const device = mn === null ? undefined : this.#byMn.get(mn)
        if (device === undefined) yield { ts, said: [], skips: ['not_mapped'] }
        else yield { ts, said: [{ device, what: frame }], skips: ts === null ? ['bad_time'] : [] }
      }
    }
  }
}
