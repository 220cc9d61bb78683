/** What the intake's tests share: an intake over a journal that commits when told to. */
import { loadKinds } from '../model/kinds.ts'
import { JournalUnavailable, type JournalEntry, type JournalWrite, type Outcome } from '../model/pipeline.ts'
import type { Origin, Reading } from '../model/reading.ts'
import { Duplicates } from './duplicates.ts'
import { ReadingIntake } from './intake.ts'

export const NOW = 1_718_000_000_000
export const YEAR = 365 * 86_400_000

/** Commits at once, or when told to, so that a test can look at what is in flight. */
export class HeldJournal {
  readonly committed: JournalWrite[] = []
  #held: { write: JournalWrite; resolve: () => void; reject: (error: Error) => void }[] = []
  hold = false

  append(write: JournalWrite): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#held.push({ write, resolve, reject })
      if (!this.hold) this.commit()
    })
  }

  commit(): void {
    for (const { write, resolve } of this.#held.splice(0)) {
      this.committed.push(write)
      resolve()
    }
  }

  fail(): void {
    for (const { reject } of this.#held.splice(0)) reject(new JournalUnavailable('disk full'))
  }

  head = () => 0
  tail = () => 0
  read = () => ({ deliveries: [], next: 0 })

  entries(): JournalEntry[] {
    return this.committed.flatMap((write) => write.entry ?? [])
  }

  stored(): Reading[] {
    return this.entries().flatMap((entry) => entry.readings)
  }
}

export function originOf(device: string, kind: string): Origin {
  return { device, kind, site: 'site-1', street: 'wenfeng', grid: 'wenfeng-001' }
}

const builtIn = loadKinds()
const kinds = new Map(['cooking_fume', 'river_station'].map((id) => [id, builtIn.get(id)!]))

export class IntakeStage {
  readonly journal = new HeldJournal()
  readonly origins = new Map<string, Origin>([
    ['fume-1', originOf('fume-1', 'cooking_fume')],
    ['river-1', originOf('river-1', 'river_station')],
    ['odd-1', originOf('odd-1', 'teapot')],
  ])
  now = NOW
  readonly intake = new ReadingIntake({
    kinds,
    devices: { origin: (id) => this.origins.get(id) },
    journal: this.journal,
    clock: { now: () => this.now },
    maxMessageBytes: 524_288,
    duplicates: new Duplicates(1000),
  })

  /** Text as it is, anything else as JSON. */
  send(payload: unknown, device = 'fume-1'): Promise<Outcome> {
    const text = typeof payload === 'string' ? payload : JSON.stringify(payload)
    return this.intake.accept({ device, payload: Buffer.from(text), receivedAt: NOW })
  }
}

export const fume = (value: unknown, ts: unknown = NOW) => ({ ts, metrics: { fume: value } })
