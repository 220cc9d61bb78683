import { crc32 } from 'node:zlib'
import { Replay, warmUpMs, type Change } from '../../rules/backtest.ts'
import { looksAtOthers } from '../../rules/conditions.ts'
import { devicesBehind } from '../../rules/links.ts'
import { kindsOf, type Plan } from '../../rules/plan.ts'
import { AtSites } from '../district/site-attributes.ts'
import type { Device } from '../model/device.ts'
import type { Recorded, Stretch } from '../model/pipeline.ts'
import { AlarmLog, type LoggedAlarm } from './alarm-log.ts'
import { inArrivalOrder } from './arrival-order.ts'
import type { BackTestRequest, BackTestSources } from './backtest.ts'
import { NeededPlans } from './needed-plans.ts'

/** How far it is: 0 to 1, and the device that it is at. */
export type Progress = (share: number, device: string) => void

/** What the rules make of the history, or of a part of its devices. */
export interface Judged {
  /** Those that the rules are about, whatever the part. */
  readonly devices: readonly string[]
  /** Readings that were judged, those before `from` too, and those that had come too late for it. */
  readonly readings: number
  readonly late: number
  readonly alarms: readonly LoggedAlarm[]
}

/** One of so many parts, into which devices fall by their names. */
export interface Part {
  readonly first: number
  readonly of: number
}

export const ALL: Part = { first: 0, of: 1 }

/** An alarm that has begun is followed for this long beyond the stretch at most, ms, to see how it ends. */
const FOLLOW_MS = 86_400_000

/**
 * Runs the engine over the stored history, one device after another, so that memory does not depend on how
 * long the stretch is. `signal` ends it between two chunks.
 */
export async function judgeHistory(
  request: BackTestRequest,
  sources: BackTestSources,
  part: Part,
  progress: Progress = () => {},
  signal?: AbortSignal,
): Promise<Judged> {
  const judgement = new Judgement(request, sources, progress, signal)
  const all = await judgement.subjects()
  // By name, not by place: each thread lists them for itself, and a gateway may be writing meanwhile.
  const subjects = all.filter(({ device }) => crc32(device) % part.of === part.first)
  for (const subject of subjects) await judgement.judge(subject, subjects.length)
  const { devices, readings, late, log } = judgement
  return { devices: [...devices], readings, late, alarms: log.all() }
}

/** How many times a device's history has to be read for that. */
export async function countSubjects(request: BackTestRequest, sources: BackTestSources): Promise<number> {
  return (await new Judgement(request, sources, () => {}, undefined).subjects()).length
}

/** As they are now, with what their sites say of them. */
export function devicesOf({ registry, district }: BackTestSources): ReadonlyMap<string, Device> {
  const sites = new AtSites(district)
  return new Map([...registry.devices()].map(([id, device]) => [id, sites.of(device)]))
}

/** One device under one plan: its own rules, or those that look at others too. */
interface Subject {
  readonly device: string
  readonly plan: Plan
  /** Whose readings it takes, by the plan's sources; undefined where its attributes name nobody. */
  readonly sees: readonly (string | undefined)[]
}

class Judgement {
  readonly log: AlarmLog
  readonly devices = new Set<string>()
  readings = 0
  late = 0
  readonly #request: BackTestRequest
  readonly #sources: BackTestSources
  readonly #devices: ReadonlyMap<string, Device>
  readonly #progress: Progress
  readonly #signal: AbortSignal | undefined
  readonly #begin: number
  #done = 0

  constructor(
    request: BackTestRequest,
    sources: BackTestSources,
    progress: Progress,
    signal: AbortSignal | undefined,
  ) {
    this.#request = request
    this.#sources = sources
    this.#devices = devicesOf(sources)
    this.#progress = progress
    this.#signal = signal
    this.#begin = request.from - warmUpMs(request.rules)
    this.log = new AlarmLog(request.from, request.to)
  }

  /** Devices for which any rule can hold: those that the history knows, and those that look at others. */
  async subjects(): Promise<readonly Subject[]> {
    const { rules, devices: asked } = this.#request
    const { history, world } = this.#sources
    const subjects: Subject[] = []
    const add = (device: string, plan: Plan | undefined, sees: Subject['sees']): void => {
      if (asked !== undefined && !asked.includes(device)) return
      this.devices.add(device)
      if (plan !== undefined) subjects.push({ device, plan, sees })
    }
    const alone = rules.filter((rule) => !looksAtOthers(rule))
    const own = new NeededPlans(alone, world)
    for (const kind of kindsOf(alone, world)) {
      for (const device of await history.devices(kind))
        add(device, own.of(kind, this.#devices.get(device)?.attributes), [device])
    }
    const looking = rules.filter(looksAtOthers)
    const linked = new NeededPlans(looking, world)
    const kinds = new Set(kindsOf(looking, world))
    for (const { id, kind, attributes = {} } of this.#devices.values()) {
      if (!kinds.has(kind)) continue
      const plan = linked.of(kind, attributes)
      add(id, plan, plan === undefined ? [] : devicesBehind(plan, id, attributes))
    }
    return subjects
  }

  async judge(subject: Subject, of: number): Promise<void> {
    const { to } = this.#request
    const { device, plan } = subject
    const registered = this.#devices.get(device)
    const { site = '', street = '', grid = '' } = registered ?? {}
    const origin = { device, kind: plan.kind, site, street, grid }
    const replay = new Replay(origin, plan, this.#sources.bounds, registered?.attributes)
    const tell = (ts: number): void =>
      this.#progress((this.#done + (ts - this.#begin) / (to - this.#begin)) / of, device)
    const take = (recorded: Recorded, source: number): void => this.#note(replay.take(recorded, source))
    const isOver = (): boolean => !this.log.isFiring

    await this.#follow(subject, this.#begin, to, take, { tell })
    // The first reading beyond shows what had run out before it; the others, how alarms that fire then end.
    await this.#follow(subject, to, to + FOLLOW_MS, take, { isOver })
    const end = this.log.isFiring ? to + FOLLOW_MS : to
    // Nobody waits for a device that is no more.
    this.#note(replay.end(registered === undefined ? -Infinity : Math.min(end, this.#sources.now)))
    this.log.leave()
    if (plan.sources.length === 1) this.late += replay.late
    this.#done++
    tell(this.#begin)
  }

  #note(changes: readonly Change[]): void {
    for (const change of changes) this.log.note(change)
  }

  /** Hands on what the subject sees, in order, until all is over; tells now and then how far it is. */
  async #follow(
    { plan, sees }: Subject,
    from: number,
    to: number,
    take: (recorded: Recorded, source: number) => void,
    { tell, isOver }: { tell?: (ts: number) => void; isOver?: () => boolean },
  ): Promise<void> {
    const streams = sees.map((device, source) => {
      const kind = source === 0 || device === undefined ? plan.kind : this.#devices.get(device)?.kind
      if (device === undefined || kind === undefined) return nobody
      return this.#scan({ device, kind, from, to })
    })
    if (streams.length === 1) {
      for await (const chunk of streams[0]!) {
        for (const recorded of chunk) {
          take(recorded, 0)
          if (isOver?.() === true) return
        }
        tell?.(chunk.at(-1)!.reading.ts)
      }
      return
    }
    for await (const chunk of inArrivalOrder(streams)) {
      for (const { recorded, source } of chunk) {
        take(recorded, source)
        if (isOver?.() === true) return
      }
      tell?.(chunk.at(-1)!.recorded.reading.ts)
    }
  }

  async *#scan(stretch: Stretch): AsyncIterable<readonly Recorded[]> {
    for await (const chunk of this.#sources.history.scan(stretch)) {
      this.#signal?.throwIfAborted()
      this.readings += chunk.length
      yield chunk
    }
  }
}

const nobody: AsyncIterable<readonly Recorded[]> = (async function* () {})()
