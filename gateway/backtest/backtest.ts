import type { Bounds } from '../../rules/device-state.ts'
import type { World } from '../../rules/plan.ts'
import type { Alarm } from '../model/alarm.ts'
import { isSimulated } from '../model/device.ts'
import type { District } from '../model/district.ts'
import type { History } from '../model/pipeline.ts'
import type { Rule } from '../model/rule.ts'
import { inOrder } from './alarm-log.ts'
import { foresee, type ForeseenCase, type Manning } from './crews.ts'
import { differenceOf, type Difference } from './difference.ts'
import { ALL, devicesOf, judgeHistory, type Judged, type Progress } from './judgement.ts'
import { loadOf, type HourOfWork } from './load.ts'
import type { RegistryPicture } from './registry-picture.ts'

/** What to judge again. Times are epoch milliseconds. */
export interface BackTestRequest {
  /** They have passed `checkRules`. */
  readonly rules: readonly Rule[]
  /** Alarms that began within: `from` inclusive, `to` exclusive. */
  readonly from: number
  readonly to: number
  /** Only these; all that the history has when absent. */
  readonly devices?: readonly string[]
  readonly manning: Manning
}

/** What it is judged from. */
export interface BackTestSources {
  readonly history: History
  readonly registry: RegistryPicture
  readonly district: District
  readonly world: World
  readonly bounds: Bounds
  /** The gateway's clock, epoch milliseconds: nothing is known beyond it. */
  readonly now: number
}

export interface MissedDeadlines {
  readonly respond: number
  readonly arrive: number
  readonly resolve: number
}

/** The answer (contract §5, `POST /rules/backtest`). */
export interface BackTest {
  readonly from: number
  readonly to: number
  readonly rules: number
  readonly devices: number
  /** Readings that were judged, those before `from` too, and those that had come too late for it. */
  readonly readings: number
  readonly late: number
  /** With the case that each would have been of. */
  readonly alarms: readonly Alarm[]
  readonly cases: readonly ForeseenCase[]
  readonly load: readonly HourOfWork[]
  readonly missed: MissedDeadlines & Manning
  readonly difference: Difference
}

/** Judges the stored history anew. */
export async function backTest(
  request: BackTestRequest,
  sources: BackTestSources,
  progress?: Progress,
  signal?: AbortSignal,
): Promise<BackTest> {
  return answerOf(request, sources, [await judgeHistory(request, sources, ALL, progress, signal)])
}

/** What follows from the parts of a history, all of which have been judged. */
export function answerOf(
  request: BackTestRequest,
  sources: BackTestSources,
  parts: readonly Judged[],
): BackTest {
  const { rules, from, to, manning } = request
  const devices = devicesOf(sources)
  const logged = inOrder(parts.flatMap(({ alarms }) => alarms))
  const cases = foresee(logged, sources.district, manning)
  const caseOf = new Map(cases.flatMap(({ id, alarms }) => alarms.map((alarm) => [alarm, id])))
  const judged = new Set(parts.flatMap((part) => part.devices))
  const happened = sources.registry.alarms(from, to).filter(({ device }) => isAsked(request, device, judged))
  const sum = (what: 'readings' | 'late') => parts.reduce((all, part) => all + part[what], 0)
  return {
    from,
    to,
    rules: rules.length,
    devices: judged.size,
    readings: sum('readings'),
    late: sum('late'),
    alarms: logged.map(({ alarm }) => ({
      ...alarm,
      ...(isSimulated(devices.get(alarm.device)) && { simulated: true }),
      case: caseOf.get(alarm.id) ?? null,
    })),
    cases,
    load: loadOf(cases),
    missed: { ...manning, ...countMissed(cases) },
    difference: differenceOf(
      happened,
      logged.map(({ alarm }) => alarm),
    ),
  }
}

/** What happened to devices whose history is elsewhere by now is a difference too, unless only others were asked for. */
function isAsked({ devices }: BackTestRequest, device: string, judged: ReadonlySet<string>): boolean {
  return devices === undefined || devices.includes(device) || judged.has(device)
}

function countMissed(cases: readonly ForeseenCase[]): MissedDeadlines {
  const count = (name: keyof MissedDeadlines) => cases.filter(({ missed }) => missed.includes(name)).length
  return { respond: count('respond'), arrive: count('arrive'), resolve: count('resolve') }
}
