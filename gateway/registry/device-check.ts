import { Ajv, type ErrorObject } from 'ajv'
import { DeviceSchema, type Device, type Wire } from '../model/device.ts'
import { isIdentifier } from '../model/identifier.ts'
import type { Kinds } from '../model/kind.ts'
import { ADMIN } from '../model/user.ts'
import { RegistryError } from './registry-error.ts'

/** Size of a device's JSON, for what its schema leaves open. */
const LARGEST = 16_384

const fits = new Ajv({ verbose: true }).compile<Device>(DeviceSchema)

/** A copy, frozen; throws a RegistryError `invalid` that names the key and what was expected. */
export function checkedDevice(candidate: unknown, kinds: Kinds, wires: readonly Wire[] = []): Device {
  if (!fits(candidate)) throw new RegistryError('invalid', explain(fits.errors![0]!))
  if (!isIdentifier(candidate.id) || candidate.id === ADMIN.name) {
    throw new RegistryError('invalid', `id: "${candidate.id}" is reserved; expected another one`)
  }
  if (!kinds.has(candidate.kind)) {
    const known = [...kinds.keys()].join(', ')
    throw new RegistryError(
      'invalid',
      `kind: ${quote(candidate.kind)} is not known; expected one of ${known}`,
    )
  }
  const [lon = 0, lat = 0] = candidate.position ?? []
  if (Math.abs(lon) > 180 || Math.abs(lat) > 90) {
    throw new RegistryError(
      'invalid',
      `position: [${lon}, ${lat}] is no place; expected [longitude, latitude]`,
    )
  }
  const known = wires.map(({ protocol }) => protocol)
  const strange = Object.keys(candidate.protocols ?? {}).find((protocol) => !known.includes(protocol))
  if (known.length > 0 && strange !== undefined) {
    throw new RegistryError('invalid', `protocols.${strange}: unknown; expected ${known.join(', ')}`)
  }
  for (const wire of wires) {
    const binding = candidate.protocols?.[wire.protocol]
    const problem = binding === undefined ? null : wire.fault(binding, kinds.get(candidate.kind)!)
    if (problem !== null) throw new RegistryError('invalid', `protocols.${wire.protocol}.${problem}`)
  }
  const text = JSON.stringify(candidate)
  const size = Buffer.byteLength(text)
  if (size > LARGEST) {
    throw new RegistryError('invalid', `device: ${size} bytes of JSON; expected at most ${LARGEST}`)
  }
  return Object.freeze(JSON.parse(text) as Device)
}

/** RFC 7396: objects are merged, null removes, anything else replaces. */
export function mergePatch(target: unknown, patch: unknown): unknown {
  if (!isObject(patch)) return patch
  const merged = new Map(Object.entries(isObject(target) ? target : {}))
  for (const [key, change] of Object.entries(patch)) {
    if (change === null) merged.delete(key)
    else merged.set(key, mergePatch(merged.get(key), change))
  }
  return Object.fromEntries(merged)
}

export function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

function explain(error: ErrorObject): string {
  const path = error.instancePath.split('/').slice(1)
  const where = quotedPath(path)
  switch (error.keyword) {
    case 'additionalProperties': {
      const key = quotedPath([...path, String(error.params['additionalProperty'])])
      return `${key}: unknown key; expected ${
        path.length === 0
          ? 'id, kind, site, street, grid, position, attributes, protocols'
          : 'a name like fume_limit'
      }`
    }
    case 'required':
      return `${String(error.params['missingProperty'])}: missing`
    case 'pattern':
      return `${where}: ${quote(error.data)}; expected 1 to 64 letters, digits, "_", "-" or ".", no ".."`
    case 'minItems':
    case 'maxItems':
      return `${where}: expected [longitude, latitude, altitude?]`
    case 'type':
      return `${where}: ${quote(error.data)}; expected ${path[0] === 'attributes' ? 'a number, true, false or text' : String(error.params['type'])}`
    default:
      return `${where}: ${quote(error.data)}; it ${error.message}`
  }
}

const SHOWN = 60

function quotedPath(path: readonly string[]): string {
  if (path.length === 0) return 'device'
  return path.map((key) => (/^\w{1,64}$/.test(key) ? key : quote(key))).join('.')
}

function quote(value: unknown): string {
  const text = JSON.stringify(value) ?? String(value)
  return text.length > SHOWN ? `${text.slice(0, SHOWN)}…` : text
}
