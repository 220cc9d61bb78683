import type { Attributes, Device, DeviceDirectory } from '../model/device.ts'
import type { District } from '../model/district.ts'
import { siteAttributes } from './sites.ts'

/** A device as rules see it: what it does not say of itself, its site says. */
export class AtSites {
  readonly #sites: ReadonlyMap<string, Attributes>
  /** A device is the same object until it is changed. */
  readonly #known = new WeakMap<Device, Device>()

  constructor({ sites = [] }: Pick<District, 'sites'>) {
    const all = sites.map((site) => [site.id, siteAttributes(site)] as const)
    this.#sites = new Map(all.filter(([, attributes]) => Object.keys(attributes).length > 0))
  }

  of(device: Device): Device {
    const attributes = this.#sites.get(device.site)
    if (attributes === undefined) return device
    let seen = this.#known.get(device)
    if (seen === undefined) {
      seen = { ...device, attributes: { ...attributes, ...device.attributes } }
      this.#known.set(device, seen)
    }
    return seen
  }

  /** The registry as rules see it. */
  directory(devices: DeviceDirectory): DeviceDirectory {
    return {
      get: (id) => {
        const device = devices.get(id)
        return device === undefined ? undefined : this.of(device)
      },
      origin: (id) => devices.origin(id),
      all: () => this.#each(devices.all()),
    }
  }

  *#each(devices: Iterable<Device>): Generator<Device> {
    for (const device of devices) yield this.of(device)
  }
}
