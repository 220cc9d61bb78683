import type { Device } from '../model/device.ts'
import type { EventStream } from './event-stream.ts'
import type { LiveReadings } from './live-readings.ts'
import type { HttpParts } from './parts.ts'

/** Readings that the newest ones are learnt from at the start. */
const LOOK_BACK = 20_000
/** Readings are told this often, ms, … */
const TELL_EVERY = 100
/** … and of this many devices each time. */
const TELL_MOST = 20
/** Of this many devices each time whether they are there: a whole street may come back at once. */
const TELL_PRESENCES = 100

/** Tells the event stream what the gateway does: readings, alarms, cases, devices. */
export class LiveFeed {
  readonly #parts: HttpParts
  readonly #stream: EventStream
  readonly #live: LiveReadings
  /** Where each device was when it was last told of: those who saw it there must hear that it left. */
  readonly #known = new Map<string, Device>()
  /** Those that came or went since they were last told of: one that flickers costs as much as one that does not. */
  readonly #cameOrWent = new Set<string>()
  #tell: NodeJS.Timeout | undefined

  constructor(parts: HttpParts, stream: EventStream, live: LiveReadings) {
    this.#parts = parts
    this.#stream = stream
    this.#live = live
  }

  start(): void {
    const { journal, queue, devices } = this.#parts
    for (const device of devices.all()) this.#known.set(device.id, device)
    const from = Math.max(journal.tail(), journal.head() - LOOK_BACK)
    this.#live.note(journal.read(from, LOOK_BACK).deliveries)
    journal.onCommit((deliveries) => this.#live.note(deliveries))
    queue.onCase((found) => this.#stream.emit('case', found, (scope) => scope.seesCase(found)))
    queue.onAlarm((alarm) => this.#stream.emit('alarm', alarm, (scope) => scope.sees(alarm)))
    devices.onChange(({ what, id }) => {
      if (what === 'presence') this.#cameOrWent.add(id)
      else if (what !== 'secret') this.#tellDevice(id)
    })
    this.#tell = setInterval(() => {
      this.#stream.emitAll('reading', this.#live.take(TELL_MOST), (scope, reading) => scope.sees(reading))
      this.#tellPresences()
    }, TELL_EVERY)
  }

  stop(): void {
    clearInterval(this.#tell)
  }

  /** Those that have waited longest first. */
  #tellPresences(): void {
    for (const id of [...this.#cameOrWent].slice(0, TELL_PRESENCES)) this.#tellDevice(id)
  }

  #tellDevice(id: string): void {
    this.#cameOrWent.delete(id)
    const { devices } = this.#parts
    const before = this.#known.get(id)
    const device = devices.get(id)
    if (device === undefined) {
      this.#known.delete(id)
      this.#live.forget(id)
    } else {
      this.#known.set(id, device)
      const presence = devices.presence(id) ?? null
      this.#stream.emit('device', { ...devices.shown(device), presence }, (scope) => scope.sees(device))
    }
    const stayed = before?.street === device?.street && before?.grid === device?.grid
    if (before === undefined || stayed) return
    this.#stream.emit(
      'device',
      { id, deleted: true },
      (scope) => scope.sees(before) && (device === undefined || !scope.sees(device)),
    )
  }
}
