import { Ajv } from 'ajv'
import { Type } from 'typebox'
import type { Request } from './requests.ts'
import { writtenTime } from './time.ts'

/** §6.6.2: intervals that minute data may have, minutes. */
const MINUTE_INTERVALS = [1, 2, 3, 4, 5, 6, 10, 12, 15, 20, 30] as const
const strict = { additionalProperties: false } as const
const DAY_MS = 86_400_000

export const HISTORY_PERIODS = ['minute', 'hour', 'day'] as const
export type HistoryPeriod = (typeof HISTORY_PERIODS)[number]

/** Longest stretch of history in one request, ms: a device must not be kept busy for hours. */
const LONGEST: Readonly<Record<HistoryPeriod, number>> = {
  minute: 2 * DAY_MS,
  hour: 31 * DAY_MS,
  day: 400 * DAY_MS,
}
const HISTORY_CN: Readonly<Record<HistoryPeriod, string>> = { minute: '2051', hour: '2061', day: '2031' }

/** Annex C.15, C.21, C.24: what the device has kept of the stretch, as uploads. */
export function historyRequest(period: HistoryPeriod, from: number, to: number): Request {
  return { cn: HISTORY_CN[period], cp: `BeginTime=${writtenTime(from)},EndTime=${writtenTime(to)}` }
}

interface Order {
  readonly args: object
  /** Null when the arguments contradict each other. */
  request(args: never, now: number): Request | null
}

const Time = Type.Integer({ minimum: 0, maximum: 4_102_444_800_000 })

/** What people may tell a device, by the command's name at `POST /devices/{id}/commands`. */
const ORDERS: Readonly<Record<string, Order>> = {
  get_time: { args: Type.Object({}, strict), request: () => ({ cn: '1011', cp: '' }) },
  // The gateway's own time, at the moment it goes out.
  set_time: {
    args: Type.Object({}, strict),
    request: (_: never, now) => ({ cn: '1012', cp: `SystemTime=${writtenTime(now)}` }),
  },
  get_realtime_interval: { args: Type.Object({}, strict), request: () => ({ cn: '1061', cp: '' }) },
  set_realtime_interval: {
    args: Type.Object({ seconds: Type.Integer({ minimum: 30, maximum: 3600 }) }, strict),
    request: ({ seconds }: { seconds: number }) => ({ cn: '1062', cp: `RtdInterval=${seconds}` }),
  },
  get_minute_interval: { args: Type.Object({}, strict), request: () => ({ cn: '1063', cp: '' }) },
  set_minute_interval: {
    args: Type.Object({ minutes: Type.Enum([...MINUTE_INTERVALS]) }, strict),
    request: ({ minutes }: { minutes: number }) => ({ cn: '1064', cp: `MinInterval=${minutes}` }),
  },
  ask_history: {
    args: Type.Object({ period: Type.Enum([...HISTORY_PERIODS]), from: Time, to: Time }, strict),
    request: ({ period, from, to }: { period: HistoryPeriod; from: number; to: number }) =>
      from < to && to - from <= LONGEST[period] ? historyRequest(period, from, to) : null,
  },
}

const ajv = new Ajv()
const checks = new Map(Object.entries(ORDERS).map(([name, { args }]) => [name, ajv.compile(args)]))

/** The request that carries the command out, or what is wrong with it. */
export function requestOf(
  command: string,
  args: unknown,
  now: number,
): Request | { readonly problem: string } {
  const check = checks.get(command)
  if (check === undefined)
    return { problem: `command: not one of HJ 212; expected ${[...checks.keys()].join(', ')}` }
  if (!check(args)) {
    const { instancePath, message, params } = check.errors![0]!
    const where = ['args', ...instancePath.split('/').slice(1)].join('.')
    const { additionalProperty: unknown } = params as { additionalProperty?: string }
    return { problem: unknown === undefined ? `${where}: ${message}` : `${where}.${unknown}: unknown key` }
  }
  const request = ORDERS[command]!.request(args as never, now)
  return (
    request ?? {
      problem: 'args: from must lie before to, by at most 2 days of minutes, 31 of hours or 400 of days',
    }
  )
}
