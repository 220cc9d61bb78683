import { Ajv } from 'ajv'
import { pino } from 'pino'
import { ConfigSchema } from '../../gateway/config-schema.ts'
import type { Config } from '../../gateway/config.ts'
import type { Delivery, Origin, Reading } from '../../gateway/model/reading.ts'

export const silent = pino({ level: 'silent' })

/** Settings of the historian as the gateway's own schema completes them. */
export function settings(historian: Partial<Config['historian']>): Config['historian'] {
  const config = { historian }
  new Ajv({ useDefaults: true, strict: false }).compile(ConfigSchema)(config)
  return config.historian as Config['historian']
}

export function originOf(device: string, kind: string, site = `${device}-site`): Origin {
  return { device, kind, site, street: 'wenfeng', grid: 'wenfeng-001' }
}

/** One message of these readings. */
export function delivery(origin: Origin, readings: readonly Reading[], seq = 0): Delivery {
  return { seq, origin, receivedAt: 1_718_000_000_000, readings }
}
