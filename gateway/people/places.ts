import type { District } from '../model/district.ts'
import type { Position } from '../model/reading.ts'
import type { Site } from '../model/site.ts'
import { placeCode, placeOf } from './place-code.ts'

/** Where people report, behind a printed code: a site of the district file with `reports`. */
export interface ReportPlace {
  readonly id: string
  readonly title: { readonly en: string; readonly zh: string }
  readonly street: string
  readonly grid: string
  readonly position: Position
  /** What may be reported here, in the order of the buttons. */
  readonly categories: readonly string[]
}

/** The places of the district that have a printed code, and their codes. */
export class ReportPlaces {
  readonly #key: string
  readonly #byId: ReadonlyMap<string, ReportPlace>

  constructor(district: District, key: string) {
    this.#key = key
    const all = Object.keys(district.categories ?? {})
    const places = (district.sites ?? []).filter((site) => site.reports !== undefined)
    this.#byId = new Map(places.map((site) => [site.id, placeAt(site, all)]))
  }

  all(): readonly ReportPlace[] {
    return [...this.#byId.values()]
  }

  /** `{id}~{check code}`, as it is printed. */
  codeOf(id: string): string {
    return placeCode(this.#key, id)
  }

  /** The place whose code it is; undefined for what was made up, and for a place that is no more. */
  behind(code: string): ReportPlace | undefined {
    const id = placeOf(this.#key, code)
    return id === null ? undefined : this.#byId.get(id)
  }
}

function placeAt(site: Site, all: readonly string[]): ReportPlace {
  const { id, title, street, grid, position } = site
  return {
    id,
    title,
    street,
    grid,
    position: position as unknown as Position,
    categories: site.reports?.categories ?? all,
  }
}
