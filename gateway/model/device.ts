import { Type, type Static } from 'typebox'
import { IDENTIFIER_PATTERN } from './identifier.ts'
import type { Kind } from './kind.ts'
import type { Origin } from './reading.ts'

const Identifier = Type.String({ pattern: IDENTIFIER_PATTERN })

export const PositionSchema = Type.Array(Type.Number(), {
  minItems: 2,
  maxItems: 3,
  description: 'WGS-84 [longitude, latitude, altitude?]',
})

/** What rules and people need to know of a device or of its site. */
export const AttributesSchema = Type.Record(
  Type.String({ pattern: '^[A-Za-z][A-Za-z0-9_]{0,63}$' }),
  Type.Union([Type.Number(), Type.Boolean(), Type.String({ maxLength: 256 })]),
  { additionalProperties: false, maxProperties: 64 },
)
export type Attributes = Static<typeof AttributesSchema>

/** A device as it is registered (contract §5, `/devices`). */
export const DeviceSchema = Type.Object(
  {
    id: Identifier,
    kind: Type.String({ minLength: 1, maxLength: 64 }),
    site: Identifier,
    street: Identifier,
    grid: Identifier,
    position: Type.Optional(PositionSchema),
    /** What rules and people need to know of it: a rule's `$fume_limit` is the attribute `fume_limit`. */
    attributes: Type.Optional(AttributesSchema),
    /** Other wires bound to the device, by protocol; checked by the adapter that owns the protocol. */
    protocols: Type.Optional(Type.Record(Type.String({ maxLength: 32 }), Type.Unknown())),
  },
  { additionalProperties: false },
)
export type Device = Static<typeof DeviceSchema>

/** A device that a simulator, a replay or a load made up: nothing that it reports has happened. */
export function isSimulated(device: Device | undefined): boolean {
  return device?.attributes?.['simulated'] === true
}

/** Whether the device is there, from its `status` topic, its last will and its readings. */
export interface Presence {
  readonly online: boolean
  /** When it last said so, epoch milliseconds of the gateway. */
  readonly at: number
}

/** What the rest of the gateway may ask the registry of devices; in memory, so cheap on the hot path. */
export interface DeviceDirectory {
  get(id: string): Device | undefined
  /** The device's current tags; the same object until the device is changed. */
  origin(id: string): Origin | undefined
  all(): Iterable<Device>
}

/** What an adapter asks of its part of a device's `protocols` (contract §5), at registration and at each change. */
export interface Wire {
  /** Key in `protocols`. */
  readonly protocol: string
  /** Keys of the binding that are never shown again. */
  readonly secrets: readonly string[]
  /** Null when it is right for a device of this kind, else a line that begins with the key. */
  fault(binding: unknown, kind: Kind): string | null
  /** What identifies the device on this wire, so that no two devices may share it; null when there is no such thing. */
  address(binding: unknown): string | null
}
