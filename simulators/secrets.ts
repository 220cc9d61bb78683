import { readFileSync, renameSync, writeFileSync } from 'node:fs'

/** Device secrets by device id: in memory, and in a file that only its owner may read when one is named. */
export class Secrets {
  readonly #file: string | undefined
  readonly #byDevice: Map<string, string>

  constructor(file?: string) {
    this.#file = file
    this.#byDevice = file === undefined ? new Map() : read(file)
  }

  get(device: string): string | undefined {
    return this.#byDevice.get(device)
  }

  set(device: string, secret: string): void {
    this.#byDevice.set(device, secret)
  }

  /** Whole file or none: a killed run leaves the old one. */
  save(): void {
    if (this.#file === undefined) return
    const beside = `${this.#file}.${process.pid}`
    writeFileSync(beside, `${JSON.stringify(Object.fromEntries(this.#byDevice), null, 2)}\n`, { mode: 0o600 })
    renameSync(beside, this.#file)
  }
}

function read(file: string): Map<string, string> {
  let text: string
  try {
    text = readFileSync(file, 'utf8')
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return new Map()
    throw error
  }
  const parsed: unknown = JSON.parse(text)
  if (typeof parsed !== 'object' || parsed === null || Array.isArray(parsed)) {
    throw new Error(`${file}: expected {"device id": "secret", …}`)
  }
  return new Map(Object.entries(parsed).map(([device, secret]) => [device, String(secret)]))
}
