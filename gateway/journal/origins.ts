import type { Origin } from '../model/reading.ts'
import type { OriginRow } from './format.ts'

/**
 * Numbers for origins, which records refer to. A device's origin is the same object until the device is
 * changed, so the usual look-up is one by device and one comparison.
 */
export class Origins {
  readonly #byDevice = new Map<string, { readonly origin: Origin; readonly id: number }>()
  readonly #byContent = new Map<string, number>()
  #unsaved: OriginRow[] = []
  #next = 0

  load(rows: Iterable<OriginRow>): void {
    for (const row of rows) {
      this.#byContent.set(contentOf(row), row.id)
      this.#next = Math.max(this.#next, row.id + 1)
    }
  }

  /** The origin's number; when it is a new one, its row is added to `rows`, to be written along. */
  id(origin: Origin, rows: OriginRow[]): number {
    const latest = this.#byDevice.get(origin.device)
    if (latest?.origin === origin && this.#unsaved.length === 0) return latest.id
    rows.push(...this.#unsaved)
    this.#unsaved = []
    const content = contentOf(origin)
    let id = this.#byContent.get(content)
    if (id === undefined) {
      id = this.#next++
      this.#byContent.set(content, id)
      const { device, kind, site, street, grid } = origin
      rows.push({ id, device, kind, site, street, grid })
    }
    this.#byDevice.set(origin.device, { origin, id })
    return id
  }

  /** Their commit failed: they go along with the next one. */
  putBack(rows: readonly OriginRow[]): void {
    this.#unsaved.push(...rows)
  }
}

function contentOf({ device, kind, site, street, grid }: Origin): string {
  return JSON.stringify([device, kind, site, street, grid])
}
