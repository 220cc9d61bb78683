import type { AreaGeometry } from '../gateway/model/area.ts'
import type { Kind, Kinds, Plausible } from '../gateway/model/kind.ts'
import type { OverWindow } from '../gateway/model/rule.ts'
import { Area } from './area.ts'
import { areaColumn, metricColumn, type Column } from './column.ts'
import { Credibility, MEMORY } from './credibility.ts'
import type { Parameter, Place } from './local.ts'
import { factorsOf, type Factor } from './surface-water.ts'

/** A cell that conditions read, or that something is remembered in. Known by its key in saved states. */
export interface Signal {
  readonly key: string
  readonly window?: { readonly aggregate: OverWindow; readonly width: number }
}

/** A column of the row, and where its numbers go: cells, by their index; -1 for none. */
export interface Feed {
  readonly column: Column
  /** Whose readings fill it: index into {@link Layout.sources}. */
  readonly source: number
  /** The number itself. */
  plain: number
  /** The time of the row. */
  heard: number
  /** For how long the number has been the same, ms; behind it that number, and since when. */
  run: number
  readonly windows: { readonly window: number; readonly signal: number }[]
  readonly credibility: Credibility | null
  /** What credibility remembers. */
  readonly memory: number
  /** The number, believed or not; behind it 1 while it is not, else 0. */
  reported: number
  isRated: boolean
}

/** The single-factor class of a water: the worst of the factors that are known. */
export interface Rating {
  readonly signal: number
  readonly factors: readonly { readonly factor: Factor; readonly signal: number }[]
}

/**
 * What the rules of one kind look at: the columns of a row, and the cells that conditions read. Equal leaves of
 * different rules share theirs.
 */
export class Layout {
  /** Roles and ids of the devices whose readings are looked at; '' is the device itself. */
  readonly sources: string[] = ['']
  readonly feeds: Feed[] = []
  readonly signals: Signal[] = []
  readonly ratings: Rating[] = []
  readonly parameters: Parameter[] = []
  readonly places: Place[] = []
  readonly #kind: Kind | undefined
  readonly #kinds: Kinds
  readonly #areas = new Map<string, string[]>()
  #windows = 0
  #asked = new Set<string>()

  constructor(kind: Kind | undefined, kinds: Kinds) {
    this.#kind = kind
    this.#kinds = kinds
  }

  source(of: string | undefined): number {
    if (of === undefined) return 0
    const known = this.sources.indexOf(of)
    return known >= 0 ? known : this.sources.push(of) - 1
  }

  /** Finds or makes the column; answers its index. */
  column(source: number, column: Column, plausible?: Plausible): number {
    const known = this.feeds.findIndex((feed) => feed.source === source && feed.column.key === column.key)
    if (known >= 0) return known
    const credibility = plausible === undefined ? null : new Credibility(plausible)
    const memory = credibility?.remembers === true ? this.signals.length : -1
    const feed = { column, source, plain: -1, heard: -1, run: -1, windows: [], credibility, memory }
    const index = this.feeds.push({ ...feed, reported: -1, isRated: false }) - 1
    if (memory >= 0) this.#cells(index, MEMORY)
    return index
  }

  metric(source: number, metric: string): number {
    return this.column(source, metricColumn(metric), this.#kindOf(source, metric)?.metrics[metric]?.plausible)
  }

  /** The last judged number of the column. */
  plain(column: number): number {
    const feed = this.feeds[column]!
    if (feed.plain < 0) feed.plain = this.#cells(column, [''])
    return feed.plain
  }

  /** When a reading with the column last came. */
  heard(column: number): number {
    const feed = this.feeds[column]!
    if (feed.heard < 0) feed.heard = this.#cells(column, ['at'])
    return feed.heard
  }

  /** For how long the column's number has been the same, ms. */
  run(column: number): number {
    const feed = this.feeds[column]!
    if (feed.run < 0) feed.run = this.#cells(column, ['unchanged', 'unchanging', 'unchanged since'])
    return feed.run
  }

  windowed(column: number, aggregate: OverWindow, width: number): number {
    const key = this.#key(column, `${aggregate} ${width}`)
    const known = this.signals.findIndex((signal) => signal.key === key)
    if (known >= 0) return known
    const signal = this.signals.push({ key, window: { aggregate, width } }) - 1
    this.feeds[column]!.windows.push({ window: this.#windows++, signal })
    return signal
  }

  /** 1 while the newest normal value is not believed, and that value; null when every value is. */
  doubt(column: number): { readonly signal: number; readonly reported: number } | null {
    const feed = this.feeds[column]!
    if (feed.credibility === null) return null
    if (feed.reported < 0) feed.reported = this.#cells(column, ['reported', 'doubted now'])
    return { reported: feed.reported, signal: feed.reported + 1 }
  }

  /** The class of the source's water, and the columns that it is made of. */
  rating(source: number): { readonly signal: number; readonly columns: readonly number[] } {
    const factors = [...factorsOf('river').values()].filter(({ metric }) => this.#kindOf(source, metric))
    const columns = factors.map(({ metric }) => this.metric(source, metric))
    const key = `${this.#prefix(source)}class`
    const known = this.ratings.find(({ signal }) => this.signals[signal]!.key === key)
    if (known !== undefined) return { signal: known.signal, columns }
    const signal = this.signals.push({ key }) - 1
    const rated = factors.map((factor, index) => ({ factor, signal: this.plain(columns[index]!) }))
    this.ratings.push({ signal, factors: rated })
    for (const column of columns) this.feeds[column]!.isRated = true
    return { signal, columns }
  }

  /** Whether the source is in the area. */
  area(source: number, name: string, geometry: AreaGeometry): number {
    const area = new Area(geometry)
    return this.column(
      source,
      areaColumn(this.#areaKey(name, geometry), () => area),
    )
  }

  /** Whether the source is in that one of the areas which the attribute names. */
  areaNamedBy(source: number, attribute: string, areas: ReadonlyMap<string, AreaGeometry>): number {
    const place = { attribute, areas: new Map([...areas].map(([name, area]) => [name, new Area(area)])) }
    const index = this.places.push(place) - 1
    const key = this.#areaKey(`$${attribute}`, [...areas])
    return this.column(
      source,
      areaColumn(key, (local) => local.areas[index]!),
    )
  }

  parameter(attribute: string, as: Parameter['as']): number {
    this.#asked.add(attribute)
    const known = this.parameters.findIndex((found) => found.attribute === attribute && found.as === as)
    return known >= 0 ? known : this.parameters.push({ attribute, as }) - 1
  }

  /** Attributes that were asked for since this was asked last. */
  takeAsked(): ReadonlySet<string> {
    const asked = this.#asked
    this.#asked = new Set()
    return asked
  }

  /** Rules may call different areas by one name. */
  #areaKey(name: string, content: unknown): string {
    const text = JSON.stringify(content)
    const variants = this.#areas.get(name) ?? []
    this.#areas.set(name, variants)
    const known = variants.indexOf(text)
    const variant = known >= 0 ? known + 1 : variants.push(text)
    return variant === 1 ? `in ${name}` : `in ${name} #${variant}`
  }

  /** By which a column is known in saved states. */
  keyOf(column: number): string {
    return this.#key(column, '')
  }

  #cells(column: number, names: readonly string[]): number {
    const first = this.signals.length
    for (const name of names) this.signals.push({ key: this.#key(column, name) })
    return first
  }

  #key(column: number, name: string): string {
    const feed = this.feeds[column]!
    return `${this.#prefix(feed.source)}${feed.column.key} ${name}`.trimEnd()
  }

  #prefix(source: number): string {
    return source === 0 ? '' : `${this.sources[source]!}/`
  }

  /** Of which kind a metric of the source is: the device's own where it has it, for nobody knows the other's. */
  #kindOf(source: number, metric: string): Kind | undefined {
    if (this.#kind?.metrics[metric] !== undefined) return this.#kind
    if (source === 0) return undefined
    return [...this.#kinds.values()].find(({ metrics }) => metrics[metric] !== undefined)
  }
}
