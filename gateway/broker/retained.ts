import { Readable } from 'node:stream'
import { bytes, type SessionFile, type StoredPacket } from './session-file.ts'
import { covers } from './topic-rights.ts'

interface RetainedRow {
  topic: string
  cmd: string
  payload: Uint8Array | string
  qos: number
}

/** The last message of a topic, for whoever subscribes later. */
export class RetainedMessages {
  readonly #file: SessionFile

  constructor(file: SessionFile) {
    this.#file = file
  }

  /** An empty payload clears. Part of the open transaction when it returns; the file's commit says when it is kept. */
  store(packet: StoredPacket): void {
    void this.#file.begin()
    if (packet.payload!.length === 0) this.#file.run('DELETE FROM retained WHERE topic = ?', packet.topic!)
    else {
      this.#file.run(
        'INSERT OR REPLACE INTO retained (topic, cmd, payload, qos) VALUES (?, ?, ?, ?)',
        packet.topic!,
        packet.cmd ?? 'publish',
        packet.payload!,
        packet.qos ?? 0,
      )
    }
  }

  stream(filters: readonly string[]): Readable {
    return Readable.from(this.#under(filters))
  }

  *#under(filters: readonly string[]): Generator<StoredPacket> {
    for (const filter of filters) yield* this.find(filter)
  }

  /** In pages, so that nothing is held open while a slow subscriber takes them. */
  *find(filter: string): Generator<StoredPacket & { topic: string; payload: Buffer | string }> {
    const levels = filter.split('/')
    const wild = levels.findIndex((level) => level === '+' || level === '#')
    const exact = wild < 0 ? filter : levels.slice(0, wild).join('/')
    // Everything below `a/b/` sorts before `a/b0`, as `0` follows `/`.
    const [from, to] = wild === 0 ? ['', '\u{10FFFF}'] : [exact, wild < 0 ? exact : `${exact}0`]
    let after = ''
    for (;;) {
      const rows = this.#file.all<RetainedRow>(
        'SELECT * FROM retained WHERE topic >= ? AND topic <= ? AND topic > ? ORDER BY topic LIMIT 100',
        from,
        to,
        after,
      )
      for (const { topic, cmd, payload, qos } of rows) {
        if (!covers(levels, topic.split('/'))) continue
        yield { cmd, topic, payload: bytes(payload), qos, retain: true }
      }
      if (rows.length < 100) return
      after = rows.at(-1)!.topic
    }
  }
}
