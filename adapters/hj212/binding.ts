import { Ajv } from 'ajv'
import { Type, type Static } from 'typebox'
import type { Wire } from '../../gateway/model/device.ts'
import type { Kind } from '../../gateway/model/kind.ts'
import { MN_PATTERN } from './codec.ts'
import { CHECKSUMS } from './crc.ts'
import { metricsOf, type Profiles } from './profile.ts'

/** `protocols.hj212` of a device (contract §5). */
export const BindingSchema = Type.Object(
  {
    mn: Type.String({ pattern: MN_PATTERN }),
    profile: Type.String({ default: 'standard' }),
    crc: Type.Enum([...CHECKSUMS], { default: 'annex-a' }),
    /** Password (访问密码): frames with another one are not taken, and commands carry it. */
    pw: Type.Optional(Type.String({ pattern: '^[\\x21-\\x3a\\x3c\\x3e-\\x7e]{1,32}$' })),
  },
  { additionalProperties: false },
)
export type Binding = Static<typeof BindingSchema>

const fits = new Ajv({ useDefaults: true, allowUnionTypes: true }).compile<Binding>(BindingSchema)

/** The binding with its defaults filled in; null when it is none. */
export function bindingOf(protocols: Readonly<Record<string, unknown>> | undefined): Binding | null {
  const copy: unknown = structuredClone(protocols?.['hj212'])
  return fits(copy) ? copy : null
}

/** What registration asks of this wire. */
export function hj212Wire(profiles: Profiles): Wire {
  return {
    protocol: 'hj212',
    secrets: ['pw'],
    fault: (binding, kind) => faultOf(binding, kind, profiles),
    address: (binding) => bindingOf({ hj212: binding })?.mn ?? null,
  }
}

function faultOf(candidate: unknown, kind: Kind, profiles: Profiles): string | null {
  const binding: unknown = structuredClone(candidate)
  if (!fits(binding)) {
    const { instancePath, keyword, params } = fits.errors![0]!
    if (keyword === 'additionalProperties')
      return `${String(params['additionalProperty'])}: unknown key; expected mn, profile, crc, pw`
    if (keyword === 'required') return `${String(params['missingProperty'])}: missing`
    if (instancePath === '') return 'mn: missing; expected an object such as {"mn":"…","profile":"standard"}'
    const key = instancePath.slice(1)
    return key === 'crc'
      ? `crc: expected one of ${CHECKSUMS.join(', ')}`
      : `${key}: expected plain text without spaces, ";" or "="`
  }
  const profile = profiles.get(binding.profile)
  if (profile === undefined) return `profile: not known; expected one of ${[...profiles.keys()].join(', ')}`
  if (![...metricsOf(profile)].some((metric) => Object.hasOwn(kind.metrics, metric)))
    return `profile: ${binding.profile} has no metric of ${kind.id}`
  return null
}
