import { readFileSync, renameSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Log } from '../log.ts'
import type { AlarmChange, AlarmFeed, Part } from '../model/pipeline.ts'
import { backoff } from './backoff.ts'

const BATCH = 500

/**
 * Copies alarms from the registry to the store, each change once it has happened (contract §6, measurement
 * `alarm`). Where it stands is kept in `historian-alarms.json`, one number for each target; a change that is
 * copied again overwrites itself, so the file is not fsynced, and without it all alarms are copied anew.
 */
export class AlarmCopier implements Part {
  readonly #feed: AlarmFeed
  readonly #target: string
  readonly #file: string
  readonly #log: Log
  readonly #write: (changes: readonly AlarmChange[]) => Promise<void>
  #stopping = new AbortController()
  #wake = Promise.withResolvers<void>()
  #running: Promise<void> = Promise.resolve()

  constructor(
    feed: AlarmFeed,
    target: string,
    dataDir: string,
    log: Log,
    write: (changes: readonly AlarmChange[]) => Promise<void>,
  ) {
    this.#feed = feed
    this.#target = target
    this.#file = join(dataDir, 'historian-alarms.json')
    this.#log = log
    this.#write = write
  }

  async start(): Promise<void> {
    this.#stopping = new AbortController()
    this.#running = this.#run()
  }

  async stop(): Promise<void> {
    this.#stopping.abort()
    this.notify()
    await this.#running
  }

  notify(): void {
    this.#wake.resolve()
  }

  async #run(): Promise<void> {
    const { signal } = this.#stopping
    let cursor = this.#load()[this.#target] ?? 0
    for (let failures = 0; !signal.aborted;) {
      // Before the question, so that a change that comes after the answer is not slept over.
      this.#wake = Promise.withResolvers()
      try {
        const changes = this.#feed.after(cursor, BATCH)
        const last = changes.at(-1)
        if (last === undefined) {
          await this.#wake.promise
          continue
        }
        await this.#write(changes)
        cursor = last.seq
        this.#save(cursor)
        failures = 0
      } catch (error) {
        if (failures === 0)
          this.#log.warn({ reason: (error as Error).message }, 'alarms wait for the historian')
        await sleep(backoff(failures++), undefined, { signal }).catch(() => {})
      }
    }
  }

  #load(): Record<string, number> {
    try {
      return JSON.parse(readFileSync(this.#file, 'utf8')) as Record<string, number>
    } catch {
      return {}
    }
  }

  #save(cursor: number): void {
    const text = JSON.stringify({ ...this.#load(), [this.#target]: cursor })
    writeFileSync(`${this.#file}.new`, text)
    renameSync(`${this.#file}.new`, this.#file)
  }
}
