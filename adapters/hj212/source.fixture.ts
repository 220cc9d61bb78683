/** What the tests of the source share: a source whose intake, history and devices the test answers for. */
import { setTimeout as pause } from 'node:timers/promises'
import { pino } from 'pino'
import type { Device } from '../../gateway/model/device.ts'
import { loadKinds } from '../../gateway/model/kinds.ts'
import type { Message, Point, Query } from '../../gateway/model/pipeline.ts'
import type { Refusal } from '../../gateway/model/reading.ts'
import { Monitor } from './monitor.fixture.ts'
import { loadProfiles } from './profile.ts'
import { Hj212Source, type CommandResult, type Hj212Options } from './source.ts'

const kinds = loadKinds()
const profiles = loadProfiles()
export const NOON = Date.UTC(2024, 5, 1, 4)
export const FUME = '320613000000000000000001'
export const OVER =
  '##0219QN=20240601120000123;ST=31;CN=2011;PW=123456;MN=320613000000000000000001;Flag=5;CP=&&DataTime=20240601120000;a34041-Rtd=2.35,a34041-Flag=N;a34013-Rtd=6.10,a34013-Flag=N;a24088-Rtd=8.412,a24088-Flag=N;SB1-RS=1;SB2-RS=0&&5A00'

/** Frames are on loan. */
const copied = (message: Message): Message =>
  message.wire === undefined
    ? message
    : {
        ...message,
        wire: { ...message.wire, frames: message.wire.frames.map((frame) => Buffer.from(frame)) },
      }

/** A source over an intake that the test answers for. */
export class Rig {
  readonly messages: Message[] = []
  readonly refusals: Refusal[] = []
  readonly results: [string, string, CommandResult][] = []
  readonly presences: [string, boolean][] = []
  readonly queries: Query[] = []
  readonly devices = new Map<string, Device>()
  readonly monitors: Monitor[] = []
  history: Point[] = []
  /** What the intake does with a message; durable at once unless a test says otherwise. */
  accept: () => Promise<void> = () => Promise.resolve()
  readonly source: Hj212Source

  private constructor(options: Partial<Hj212Options>) {
    this.source = new Hj212Source(
      {
        host: '127.0.0.1',
        port: 0,
        connectMs: 60_000,
        idleMs: 60_000,
        maxConnections: 100,
        framesPerSecond: 1000,
        fillGaps: true,
        settleMs: 10,
        timing: { answerMs: 40, resends: 3, executeMs: 200 },
        ...options,
      },
      {
        kinds,
        profiles,
        devices: { get: (id) => this.devices.get(id), all: () => this.devices.values() },
        intake: {
          accept: async (message) => {
            this.messages.push(copied(message))
            await this.accept()
            return { accepted: 1, duplicates: 0, refused: [] }
          },
        },
        refuse: async (refusal) => {
          this.refusals.push(refusal)
          await this.accept()
        },
        query: async (query) => {
          this.queries.push(query)
          return this.history.filter(([ts]) => ts >= query.from && ts < query.to)
        },
        onPresence: (device, online) => this.presences.push([device, online]),
        onCommandResult: (device, id, result) => this.results.push([device, id, result]),
        clock: { now: () => Date.now() },
        log: pino({ level: 'silent' }),
      },
    )
    this.register('fume-1', { mn: FUME })
  }

  register(id: string, binding: object, kind = 'cooking_fume'): void {
    this.devices.set(id, {
      id,
      kind,
      site: id,
      street: 'wenfeng',
      grid: 'wenfeng-001',
      protocols: { hj212: binding },
    })
    this.source.changed(id)
  }

  monitor(crc?: 'modbus'): Monitor {
    const monitor = new Monitor(this.source.port(), crc)
    this.monitors.push(monitor)
    return monitor
  }

  get readings(): unknown[] {
    return this.messages.flatMap(({ device, payload }) =>
      (payload as readonly object[]).map((reading) => ({ device, ...reading })),
    )
  }

  static async start(options: Partial<Hj212Options> = {}): Promise<Rig> {
    const rig = new Rig(options)
    await rig.source.start()
    return rig
  }

  async end(): Promise<void> {
    for (const monitor of this.monitors) monitor.end()
    await this.source.stop()
  }
}

export async function until(condition: () => boolean): Promise<void> {
  const deadline = Date.now() + 10_000
  while (!condition()) {
    if (Date.now() > deadline) throw new Error('not in time')
    await pause(5)
  }
}
