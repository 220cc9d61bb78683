import type { Device, DeviceDirectory } from '../../gateway/model/device.ts'
import type { Kind, Kinds } from '../../gateway/model/kind.ts'
import { bindingOf, type Binding } from './binding.ts'
import type { Profiles } from './profile.ts'
import { UploadReader } from './readings.ts'

/** A device that speaks HJ 212, and how it is to be understood. */
export interface Member {
  readonly device: string
  readonly binding: Binding
  readonly reader: UploadReader
  readonly kind: Kind
}

/** Devices by their MN. */
export class Roster {
  readonly #devices: Pick<DeviceDirectory, 'get' | 'all'>
  readonly #kinds: Kinds
  readonly #profiles: Profiles
  readonly #members = new Map<string, Member>()
  readonly #numbers = new Map<string, string>()
  /** By profile and kind; thousands of devices share one. */
  readonly #readers = new Map<string, UploadReader>()

  constructor(devices: Pick<DeviceDirectory, 'get' | 'all'>, kinds: Kinds, profiles: Profiles) {
    this.#devices = devices
    this.#kinds = kinds
    this.#profiles = profiles
  }

  load(): void {
    for (const device of this.#devices.all()) this.#add(device)
  }

  /** Of the registered device; the same object until the device is changed. */
  byNumber(mn: string): Member | undefined {
    return this.#members.get(mn)
  }

  byDevice(id: string): Member | undefined {
    const mn = this.#numbers.get(id)
    return mn === undefined ? undefined : this.#members.get(mn)
  }

  /** The device came, went or is another than before. */
  changed(id: string): void {
    const before = this.#numbers.get(id)
    if (before !== undefined) {
      this.#numbers.delete(id)
      this.#members.delete(before)
    }
    const device = this.#devices.get(id)
    if (device !== undefined) this.#add(device)
  }

  #add({ id, kind: kindId, protocols }: Device): void {
    const binding = bindingOf(protocols)
    const profile = this.#profiles.get(binding?.profile ?? '')
    const kind = this.#kinds.get(kindId)
    // A profile or kind whose file was taken away leaves its devices unknown here.
    if (binding === null || profile === undefined || kind === undefined) return
    const key = `${binding.profile} ${kindId}`
    const reader = this.#readers.get(key) ?? new UploadReader(profile, kind)
    this.#readers.set(key, reader)
    this.#members.set(binding.mn, { device: id, binding, reader, kind })
    this.#numbers.set(id, binding.mn)
  }
}
