import type { DeviceDirectory } from '../model/device.ts'
import type { Caller } from './auth.ts'

/**
 * Whether the caller may hand in readings of the device: a device its own, a gateway those of the devices that its
 * registration names (`"protocols": {"http": {"forwards": ["…"]}}`), an admin all.
 */
export function speaksFor(caller: Caller, device: string, devices: Pick<DeviceDirectory, 'get'>): boolean {
  if (caller.type === 'user' || caller.device === device) return true
  const binding = devices.get(caller.device)?.protocols?.['http'] as { forwards?: unknown } | undefined
  return Array.isArray(binding?.forwards) && binding.forwards.includes(device)
}
