import type { Device, DeviceDirectory, Presence, Wire } from '../model/device.ts'
import type { Kinds } from '../model/kind.ts'
import type { Origin } from '../model/reading.ts'
import type { Along, Database } from './database.ts'
import { checkedDevice, isObject, mergePatch } from './device-check.ts'
import { Presences } from './presences.ts'
import { RegistryError } from './registry-error.ts'
import { checkChosen, type NewSecret, type Secrets } from './secrets.ts'

export interface DeviceChange {
  readonly what: 'created' | 'changed' | 'removed' | 'secret' | 'presence'
  readonly id: string
}

export interface NewDevice {
  /** Checked here, whatever it is. */
  readonly device: unknown
  /** Made up when absent. */
  readonly secret?: string | undefined
}

/** A device's secret in clear: shown once, kept nowhere. */
export interface Credential {
  readonly id: string
  readonly secret: string
}

/** Registered devices: in memory for the hot path, in SQLite for ever. */
export class Devices implements DeviceDirectory {
  readonly #database: Database
  readonly #secrets: Secrets
  readonly #kinds: Kinds
  readonly #wires: readonly Wire[]
  readonly #presences: Presences
  readonly #devices = new Map<string, Device>()
  /** Devices by what identifies them on another wire. */
  readonly #addresses = new Map<string, string>()
  readonly #origins = new Map<string, Origin>()
  readonly #listeners: ((change: DeviceChange) => void)[] = []
  /** Ids in order, for paging; undefined when one came or went. */
  #sorted: string[] | undefined

  constructor(database: Database, secrets: Secrets, kinds: Kinds, wires: readonly Wire[] = []) {
    this.#database = database
    this.#secrets = secrets
    this.#kinds = kinds
    this.#wires = wires
    this.#presences = new Presences(database)
  }

  load(): void {
    this.#database.migrate(
      'devices-1',
      'CREATE TABLE devices (id TEXT PRIMARY KEY, body TEXT NOT NULL) STRICT',
    )
    for (const row of this.#database.sql.prepare('SELECT body FROM devices').iterate()) {
      // A kind whose file was taken away leaves its devices registered; intake refuses their readings.
      this.#keep(Object.freeze(JSON.parse((row as { body: string }).body) as Device))
    }
    this.#presences.load()
  }

  /** Writes the last presences. */
  stop(): void {
    this.#presences.stop()
  }

  get size(): number {
    return this.#devices.size
  }

  get(id: string): Device | undefined {
    return this.#devices.get(id)
  }

  /** The device as people may see it: without what bindings keep secret. */
  shown(device: Device): Device {
    const secrets = this.#wires.filter(({ protocol, secrets }) => {
      const binding = device.protocols?.[protocol]
      return isObject(binding) && secrets.some((key) => key in binding)
    })
    if (secrets.length === 0) return device
    const protocols = { ...device.protocols }
    for (const { protocol, secrets: keys } of secrets) {
      const binding = Object.entries(protocols[protocol] as object)
      protocols[protocol] = Object.fromEntries(binding.filter(([key]) => !keys.includes(key)))
    }
    return { ...device, protocols }
  }

  origin(id: string): Origin | undefined {
    return this.#origins.get(id)
  }

  all(): Iterable<Device> {
    return this.#devices.values()
  }

  /** By id, those that `may` be seen; `cursor` is the last id of the page before. */
  list(query: {
    readonly limit: number
    readonly cursor?: string | undefined
    readonly may?: ((device: Device) => boolean) | undefined
  }): { items: Device[]; cursor?: string } {
    const { limit, cursor, may = () => true } = query
    this.#sorted ??= [...this.#devices.keys()].sort()
    const items: Device[] = []
    for (let i = cursor === undefined ? 0 : firstAfter(this.#sorted, cursor); i < this.#sorted.length; i++) {
      const device = this.#devices.get(this.#sorted[i]!)!
      if (!may(device)) continue
      if (items.length === limit) return { items, cursor: items.at(-1)!.id }
      items.push(device)
    }
    return { items }
  }

  async create(device: unknown, secret?: string, along?: Along): Promise<Credential> {
    const [credential] = await this.createAll([{ device, secret }], along)
    return credential!
  }

  /**
   * All or nothing. Chosen secrets take a slow hash each, so there is a `progress` to watch; one after the
   * other, so that sign-ins find the way free.
   */
  async createAll(candidates: readonly NewDevice[], along?: Along): Promise<Credential[]> {
    const created: { device: Device; secret: NewSecret }[] = []
    const taken = new Set<string>()
    for (const candidate of candidates) {
      const device = this.checkNew(candidate)
      if (taken.has(device.id)) throw new RegistryError('exists', `id: "${device.id}" is there twice`)
      taken.add(device.id)
      for (const address of this.#addressesOf(device)) {
        if (taken.has(address)) throw new RegistryError('exists', `protocols: "${address}" is there twice`)
        taken.add(address)
      }
      created.push({ device, secret: await this.#secrets.prepare(candidate.secret) })
    }
    this.#database.transaction(() => {
      const insert = this.#database.sql.prepare('INSERT INTO devices (id, body) VALUES (?, ?)')
      for (const { device, secret } of created) {
        // Again: hashing took its time.
        this.#mustBeFree(device.id)
        this.#mustBeReachable(device)
        insert.run(device.id, JSON.stringify(device))
        this.#secrets.put(device.id, secret.stored)
        this.#database.afterCommit(() => {
          this.#keep(device)
          this.#tell('created', device.id)
        })
      }
      along?.()
    })
    return created.map(({ device, secret }) => ({ id: device.id, secret: secret.text }))
  }

  /** The device as it would be created; throws what {@link create} would throw. */
  checkNew(candidate: NewDevice): Device {
    const device = checkedDevice(candidate.device, this.#kinds, this.#wires)
    if (candidate.secret !== undefined) checkChosen(candidate.secret)
    this.#mustBeFree(device.id)
    this.#mustBeReachable(device)
    return device
  }

  /** RFC 7396 merge patch; the id stays. */
  patch(id: string, changes: unknown, along?: Along): Device {
    const device = checkedDevice(mergePatch(this.#mustExist(id), changes), this.#kinds, this.#wires)
    if (device.id !== id)
      throw new RegistryError('invalid', `id: "${device.id}" differs; an id cannot change`)
    this.#mustBeReachable(device)
    this.#database.transaction(() => {
      this.#database.sql.prepare('UPDATE devices SET body = ? WHERE id = ?').run(JSON.stringify(device), id)
      this.#database.afterCommit(() => {
        this.#keep(device)
        this.#tell('changed', id)
      })
      along?.()
    })
    return device
  }

  remove(id: string, along?: Along): void {
    this.#mustExist(id)
    this.#database.transaction(() => {
      this.#database.sql.prepare('DELETE FROM devices WHERE id = ?').run(id)
      this.#secrets.remove(id)
      this.#presences.remove(id)
      this.#database.afterCommit(() => {
        this.#releaseAddresses(id)
        this.#devices.delete(id)
        this.#origins.delete(id)
        this.#sorted = undefined
        this.#tell('removed', id)
      })
      along?.()
    })
  }

  /** The old secret opens nothing from here on. */
  async rotateSecret(id: string, chosen?: string, along?: Along): Promise<Credential> {
    this.#mustExist(id)
    const secret = await this.#secrets.prepare(chosen)
    this.#mustExist(id)
    this.#database.transaction(() => {
      this.#secrets.put(id, secret.stored)
      this.#database.afterCommit(() => this.#tell('secret', id))
      along?.()
    })
    return { id, secret: secret.text }
  }

  presence(id: string): Presence | undefined {
    return this.#presences.of(id)
  }

  /** Of registered devices only; `at` is the gateway's time. */
  setPresence(id: string, online: boolean, at: number): void {
    if (!this.#devices.has(id)) return
    const changed = this.#presences.of(id)?.online !== online
    this.#presences.set(id, online, at)
    if (changed) this.#tell('presence', id)
  }

  /** Told after the commit. */
  onChange(listener: (change: DeviceChange) => void): void {
    this.#listeners.push(listener)
  }

  #tell(what: DeviceChange['what'], id: string): void {
    for (const listener of this.#listeners) listener({ what, id })
  }

  #keep(device: Device): void {
    if (!this.#devices.has(device.id)) this.#sorted = undefined
    else this.#releaseAddresses(device.id)
    this.#devices.set(device.id, device)
    for (const address of this.#addressesOf(device)) this.#addresses.set(address, device.id)
    const { id, kind, site, street, grid } = device
    const now = this.#origins.get(id)
    // An origin stays the same object while its tags do: the journal and the historian cache by it.
    if (now?.kind === kind && now.site === site && now.street === street && now.grid === grid) return
    this.#origins.set(id, Object.freeze({ device: id, kind, site, street, grid }))
  }

  #addressesOf(device: Device): string[] {
    return this.#wires.flatMap((wire) => {
      const binding = device.protocols?.[wire.protocol]
      const address = binding === undefined ? null : wire.address(binding)
      return address === null ? [] : [`${wire.protocol} ${address}`]
    })
  }

  #releaseAddresses(id: string): void {
    for (const address of this.#addressesOf(this.#devices.get(id)!)) this.#addresses.delete(address)
  }

  /** Two devices with one address on a wire could not be told apart. */
  #mustBeReachable(device: Device): void {
    for (const address of this.#addressesOf(device)) {
      const owner = this.#addresses.get(address) ?? device.id
      if (owner !== device.id)
        throw new RegistryError('exists', `protocols: "${address}" is that of "${owner}" already`)
    }
  }

  #mustExist(id: string): Device {
    const device = this.#devices.get(id)
    if (device === undefined)
      throw new RegistryError('not_found', `device ${JSON.stringify(id)} is not registered`)
    return device
  }

  #mustBeFree(id: string): void {
    if (this.#devices.has(id)) throw new RegistryError('exists', `id: "${id}" is registered already`)
    if (this.#secrets.of(id) !== undefined) throw new RegistryError('exists', `id: "${id}" is a user's name`)
  }
}

/** Binary search: pages of a large registry must not cost their distance from the start. */
function firstAfter(sorted: readonly string[], cursor: string): number {
  let low = 0
  let high = sorted.length
  while (low < high) {
    const middle = (low + high) >>> 1
    if (sorted[middle]! <= cursor) low = middle + 1
    else high = middle
  }
  return low
}
