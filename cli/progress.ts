import { Presets, SingleBar } from 'cli-progress'

/** Contract §1: a bar on anything longer than two seconds, when standard error is a terminal. */
const QUIET_FOR = 2000

export class Progress {
  readonly #label: string
  readonly #startedAt = Date.now()
  #bar: SingleBar | undefined

  constructor(label: string) {
    this.#label = label
  }

  update(done: number, of: number, detail = ''): void {
    if (!process.stderr.isTTY) return
    if (this.#bar === undefined) {
      if (Date.now() - this.#startedAt < QUIET_FOR) return
      this.#bar = new SingleBar(
        {
          stream: process.stderr,
          format: `${this.#label} {bar} {percentage} % {detail}`,
          hideCursor: true,
          clearOnComplete: true,
        },
        Presets.shades_classic,
      )
      this.#bar.start(of, done, { detail })
    }
    this.#bar.setTotal(of)
    this.#bar.update(done, { detail })
  }

  stop(): void {
    this.#bar?.stop()
    this.#bar = undefined
  }
}
