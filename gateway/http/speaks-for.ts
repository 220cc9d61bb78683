import { Ajv } from 'ajv'
import { Type, type Static } from 'typebox'
import type { DeviceDirectory, Wire } from '../model/device.ts'
import { IDENTIFIER_PATTERN } from '../model/identifier.ts'
import type { Caller } from './auth.ts'

/** `protocols.http` of a device (contract §5). */
const BindingSchema = Type.Object(
  { forwards: Type.Array(Type.String({ pattern: IDENTIFIER_PATTERN }), { maxItems: 1000 }) },
  { additionalProperties: false },
)

type Binding = Static<typeof BindingSchema>

const fits = new Ajv().compile<Binding>(BindingSchema)

/** What registration asks of it. */
export const httpWire: Wire = {
  protocol: 'http',
  secrets: [],
  fault: (binding) =>
    fits(binding) ? null : 'forwards: expected the ids of at most 1000 devices, and nothing beside',
  address: () => null,
}

/**
 * Whether the caller may hand in readings of the device: a device its own, a gateway those of the devices that its
 * registration names (`"protocols": {"http": {"forwards": ["…"]}}`), an admin all.
 */
export function speaksFor(caller: Caller, device: string, devices: Pick<DeviceDirectory, 'get'>): boolean {
  if (caller.type === 'user' || caller.device === device) return true
  const binding = devices.get(caller.device)?.protocols?.['http'] as Partial<Binding> | undefined
  return Array.isArray(binding?.forwards) && binding.forwards.includes(device)
}
