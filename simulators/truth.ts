import { milliseconds } from './duration.ts'
import type { Position } from './reading.ts'
import { devicesOf, type Expectation, type Scenario } from './scenario.ts'

/** Something that really happened, and the alarms that must come of it. Times are epoch milliseconds. */
export interface TrueEpisode {
  readonly scenario: string
  readonly what: string
  /** Null of a fault: nothing happened but to the device itself. */
  readonly strength: number | null
  readonly device: string
  readonly kind: string
  readonly site: string
  readonly street: string
  readonly position: Position
  readonly from: number
  readonly to: number
  readonly expected: readonly ExpectedAlarm[]
}

/** An alarm of this rule at this device that begins within the window, and by the deadline at the latest. */
export interface ExpectedAlarm {
  readonly rule: string
  readonly device: string
  readonly from: number
  readonly by: number
  /** Alarms up to here are the episode's echo and no false ones. */
  readonly until: number
  /** It may come or not. */
  readonly may: boolean
}

const ECHO = '1h'

/** What happens in a run that begins at `epoch` by the devices' clocks, in order. */
export function truthOf(scenario: Scenario, epoch: number): TrueEpisode[] {
  const episodes = (scenario.episodes ?? []).map(({ what, strength = 1, place, ...occurrence }) => ({
    what,
    strength,
    place,
    ...occurrence,
  }))
  const faults = (scenario.faults ?? []).map(({ fault, device, at, for: length, expect }) => {
    const common = { device, at, for: length, ...(expect && { expect }) }
    return { what: fault, strength: null, place: undefined, ...common }
  })
  const truth = [...episodes, ...faults].flatMap((occurrence) => {
    const from = epoch + milliseconds(occurrence.at)
    const to = from + milliseconds(occurrence.for)
    return devicesOf(scenario, occurrence.device).map(
      ({ id, kind, site, street, position }): TrueEpisode => ({
        scenario: scenario.id,
        what: occurrence.what,
        strength: occurrence.strength,
        device: id,
        kind,
        site,
        street,
        position: occurrence.place ?? position,
        from,
        to,
        expected: (occurrence.expect ?? []).flatMap((expectation) =>
          expectedOf(scenario, expectation, id, from, to),
        ),
      }),
    )
  })
  return truth.sort((a, b) => a.from - b.from)
}

function expectedOf(
  scenario: Scenario,
  { rule, device, delay = '0s', within, echo = ECHO, may = false }: Expectation,
  own: string,
  from: number,
  to: number,
): ExpectedAlarm[] {
  const begins = from + milliseconds(delay)
  const until = to + milliseconds(delay) + milliseconds(echo)
  const by = within === undefined ? until : begins + milliseconds(within)
  const where = device === undefined ? [own] : devicesOf(scenario, device).map(({ id }) => id)
  return where.map((id) => ({ rule, device: id, from: begins, by, until: Math.max(by, until), may }))
}
