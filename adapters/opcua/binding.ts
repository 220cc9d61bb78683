import { Ajv } from 'ajv'
import { Type, type Static } from 'typebox'
import type { Wire } from '../../gateway/model/device.ts'

export const SECURITY_MODES = ['None', 'Sign', 'SignAndEncrypt'] as const
export const SECURITY_POLICIES = ['Basic256Sha256', 'Aes128_Sha256_RsaOaep', 'Aes256_Sha256_RsaPss'] as const

/** `protocols.opcua` of a device (contract §5). */
export const BindingSchema = Type.Object(
  {
    endpoint: Type.String({ pattern: '^opc\\.tcp://[^\\s/@]+(/\\S*)?$', maxLength: 256 }),
    /** Metric → node id (`ns=2;s=Station.WQ.pH`) or browse path from the root (`/Objects/2:Station/2:pH`). */
    nodes: Type.Record(
      Type.String(),
      Type.String({ pattern: '^(?:ns=\\d{1,5};)?[isgb]=.+$|^/.+$', maxLength: 512 }),
      { minProperties: 1 },
    ),
    securityMode: Type.Enum([...SECURITY_MODES], { default: 'None' }),
    securityPolicy: Type.Enum([...SECURITY_POLICIES], { default: 'Basic256Sha256' }),
    username: Type.Optional(Type.String({ minLength: 1, maxLength: 128 })),
    password: Type.Optional(Type.String({ maxLength: 256 })),
  },
  { additionalProperties: false },
)
export type Binding = Static<typeof BindingSchema>

const fits = new Ajv({ useDefaults: true }).compile<Binding>(BindingSchema)

/** The binding with its defaults filled in; null when it is none. */
export function bindingOf(protocols: Readonly<Record<string, unknown>> | undefined): Binding | null {
  const copy: unknown = structuredClone(protocols?.['opcua'])
  return fits(copy) ? copy : null
}

/** What registration asks of this wire. */
export const opcuaWire: Wire = {
  protocol: 'opcua',
  secrets: ['password'],
  fault(candidate, kind) {
    const binding: unknown = structuredClone(candidate)
    if (!fits(binding)) return explain()
    const strange = Object.keys(binding.nodes).find((metric) => !Object.hasOwn(kind.metrics, metric))
    if (strange !== undefined)
      return `nodes.${strange.slice(0, 64)}: ${kind.id} has no such metric; expected ${Object.keys(kind.metrics).join(', ')}`
    if (binding.password !== undefined && binding.username === undefined) return 'username: missing'
    if (binding.username !== undefined && binding.securityMode === 'None')
      return 'securityMode: None would show the password to the network; expected Sign or SignAndEncrypt'
    return null
  },
  // Many devices may share an endpoint, and even a node.
  address: () => null,
}

function explain(): string {
  const { instancePath, keyword, params } = fits.errors![0]!
  const key = instancePath.slice(1).replaceAll('/', '.')
  if (keyword === 'additionalProperties')
    return `${String(params['additionalProperty'])}: unknown key; expected ${Object.keys(BindingSchema.properties).join(', ')}`
  if (keyword === 'required') return `${String(params['missingProperty'])}: missing`
  if (key === '') return 'expected an object such as {"endpoint":"opc.tcp://…","nodes":{"ph":"ns=2;s=…"}}'
  if (key === 'endpoint') return 'endpoint: expected opc.tcp://host:port'
  if (key === 'securityMode') return `securityMode: expected one of ${SECURITY_MODES.join(', ')}`
  if (key === 'securityPolicy') return `securityPolicy: expected one of ${SECURITY_POLICIES.join(', ')}`
  if (key === 'nodes') return 'nodes: expected metrics with their node ids'
  if (key.startsWith('nodes.'))
    return `${key.slice(0, 80)}: expected a node id such as ns=2;s=Station.pH, or a browse path such as /Objects/2:Station/2:pH`
  return `${key}: expected text`
}
