import type { ConnectPacket } from 'aedes'
import { isIdentifier } from '../model/identifier.ts'
import type { Principal, SignIn, Verdict } from '../model/user.ts'
import type { Connection, ConnectRequest } from './connection.ts'
import { KEEPALIVE_LIMIT_SECONDS } from './limits.ts'
import { nameOf } from './peers.ts'
import { destination } from './topic-rights.ts'

/** CONNACK return codes of MQTT 3.1.1, table 3.1. */
export const REFUSED = { identifier: 2, unavailable: 3, credentials: 4, notAuthorized: 5 } as const
export type Refused = (typeof REFUSED)[keyof typeof REFUSED]

/**
 * Client ids: what libraries make up (`mosq-…`, `mqttjs_…`, `paho/…`, UUIDs, MAC addresses) and people write. They
 * are part of a session key and of log lines, never of a topic; wildcards, `$`, spaces and control characters are
 * refused all the same (contract §2).
 */
const clientId = /^[A-Za-z0-9_][A-Za-z0-9_.:@/=~-]{0,127}$/

/** [MQTT-3.1.3-8]: without an id there is no session to come back to. */
export function isClientId(request: ConnectRequest): boolean {
  return request.clientId === '' ? request.clean : clientId.test(request.clientId)
}

export function requestOf(packet: ConnectPacket): ConnectRequest {
  const { keepalive = 0 } = packet
  return {
    clientId: packet.clientId,
    clean: packet.clean ?? true,
    will: packet.will?.topic ?? null,
    keepalive: keepalive === 0 ? KEEPALIVE_LIMIT_SECONDS : Math.min(keepalive, KEEPALIVE_LIMIT_SECONDS),
  }
}

/** The principal that a connection proves to be, or the return code that it is refused with. */
export async function identify(
  connection: Connection,
  request: ConnectRequest,
  username: string | undefined,
  password: Uint8Array | undefined,
  signIn: SignIn,
): Promise<Principal | Refused> {
  if (!isClientId(request)) return REFUSED.identifier
  const principal = await prove(connection, username, password, signIn)
  if (principal === null) return REFUSED.credentials
  if (principal === 'expired') return REFUSED.notAuthorized
  // A will is a publish that is only sent later.
  if (request.will !== null && destination(principal, request.will).to === 'forbidden')
    return REFUSED.notAuthorized
  return principal
}

async function prove(
  connection: Connection,
  username: string | undefined,
  password: Uint8Array | undefined,
  signIn: SignIn,
): Promise<Verdict> {
  const { certificate } = connection
  if (certificate !== null && password === undefined) {
    if (username !== undefined && username !== '' && username !== certificate) return null
    if (!isIdentifier(certificate)) return null
    const principal = signIn.certificate(certificate)
    return principal !== null && nameOf(principal) === certificate ? principal : null
  }
  if (username === undefined || password === undefined || !isIdentifier(username)) return null
  const principal = await signIn.password(username, password, connection.address)
  if (principal === null || principal === 'expired') return principal
  return nameOf(principal) === username ? principal : null
}
