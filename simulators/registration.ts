import pRetry, { AbortError } from 'p-retry'
import { parallel } from './parallel.ts'
import type { Registration } from './reading.ts'
import type { Secrets } from './secrets.ts'

export interface RegistryOptions {
  /** Address of the gateway, such as http://127.0.0.1:8080. */
  readonly httpUrl: string
  /** A bearer token that may register devices. */
  readonly token: string
  readonly signal?: AbortSignal
}

/** Requests under way at once: the gateway hashes each secret slowly, on purpose. */
const PARALLEL = 8

/** The gateway said no for good; the message is its own. */
export class RegistrationRefused extends Error {
  override readonly name = 'RegistrationRefused'
}

/**
 * Sees to it that every device is registered and that its secret is known: registers the missing ones, and
 * gives a new secret to those that are there but whose secret is not in the file.
 */
export async function registerDevices(
  devices: readonly Registration[],
  secrets: Secrets,
  options: RegistryOptions,
  onProgress?: (done: number) => void,
): Promise<void> {
  let done = 0
  try {
    await parallel(devices, PARALLEL, async (device) => {
      secrets.set(device.id, await register(device, secrets.get(device.id), options))
      onProgress?.(++done)
    })
  } finally {
    // Those of a run that failed half-way are needed too.
    secrets.save()
  }
}

async function register(
  device: Registration,
  known: string | undefined,
  options: RegistryOptions,
): Promise<string> {
  const created = await post(
    '/api/v1/devices',
    known === undefined ? device : { ...device, secret: known },
    options,
  )
  if (created.status === 201) return secretOf(created.body, device.id)
  if (created.status !== 409) throw new RegistrationRefused(`${device.id}: ${problem(created)}`)
  await mustBeSimulated(device.id, created, options)
  if (known !== undefined) return known
  const renewed = await post(`/api/v1/devices/${device.id}/secret`, {}, options)
  if (renewed.status !== 200 && renewed.status !== 201) {
    throw new RegistrationRefused(`${device.id}: ${problem(renewed)}`)
  }
  return secretOf(renewed.body, device.id)
}

/** One that is there may be the real one: nobody speaks in its name, or takes its secret away. */
async function mustBeSimulated(id: string, conflict: Answer, options: RegistryOptions): Promise<void> {
  const { status, body } = await request('GET', `/api/v1/devices/${id}`, undefined, options)
  const { attributes } = (body ?? {}) as { attributes?: { simulated?: unknown } }
  if (status === 200 && attributes?.simulated === true) return
  // Not its id is taken, but its address on another wire.
  if (status === 404) throw new RegistrationRefused(`${id}: ${problem(conflict)}`)
  throw new RegistrationRefused(
    `${id} is taken by what is no simulated device; choose another --device-prefix`,
  )
}

interface Answer {
  readonly status: number
  readonly body: unknown
}

/** One request, tried again while the gateway is away or asks to slow down. */
async function post(path: string, body: unknown, options: RegistryOptions): Promise<Answer> {
  return await request('POST', path, body, options)
}

async function request(
  method: 'GET' | 'POST',
  path: string,
  body: unknown,
  options: RegistryOptions,
): Promise<Answer> {
  return await pRetry(
    async () => {
      options.signal?.throwIfAborted()
      const response = await fetch(new URL(path, options.httpUrl), {
        method,
        headers: {
          authorization: `Bearer ${options.token}`,
          ...(body !== undefined && { 'content-type': 'application/json' }),
        },
        ...(body !== undefined && { body: JSON.stringify(body) }),
        signal: AbortSignal.any([AbortSignal.timeout(30_000), ...(options.signal ? [options.signal] : [])]),
      })
      const text = await response.text()
      if (response.status === 429 || response.status === 503) {
        throw new Error(`the gateway answered ${response.status}`)
      }
      let answer: unknown = null
      try {
        answer = JSON.parse(text)
      } catch {
        if (response.ok) throw new AbortError(`${options.httpUrl} does not answer as a gateway does`)
      }
      return { status: response.status, body: answer }
    },
    {
      retries: 8,
      minTimeout: 200,
      maxTimeout: 5000,
      randomize: true,
      ...(options.signal && { signal: options.signal }),
    },
  )
}

function secretOf(body: unknown, device: string): string {
  const secret = (body as { secret?: unknown } | null)?.secret
  if (typeof secret !== 'string') throw new RegistrationRefused(`${device}: the gateway gave no secret`)
  return secret
}

function problem({ status, body }: Answer): string {
  const { title, detail } = (body ?? {}) as { title?: unknown; detail?: unknown }
  const text = [title, detail].filter((part) => typeof part === 'string').join(': ')
  return text === '' ? `the gateway answered ${status}` : `${text} (${status})`
}
