import { Type } from 'typebox'
import type { Outcome } from '../model/pipeline.ts'
import { MESSAGE_LIMIT, REFUSAL_CODES } from '../model/reading.ts'
import { SOURCES } from './access.ts'
import type { Caller } from './auth.ts'
import type { HandInRate } from './hand-in-rate.ts'
import type { HttpParts } from './parts.ts'
import { Problem } from './problem.ts'
import type { Api } from './route.ts'
import { slices } from './slices.ts'
import { speaksFor } from './speaks-for.ts'

/** Bytes of one request: some 40,000 readings. */
const BODY_LIMIT = 4 * 1024 * 1024
/** Refusals that the answer spells out; the quarantine has them all. */
const REFUSALS_TOLD = 100

/** Checked by the intake, as readings of every source are; here only whose it is. */
const Sent = Type.Unsafe<{ readonly device?: unknown }>({
  type: 'object',
  properties: {
    device: { type: 'string', description: "may be left out with a device's own token" },
    ts: { type: 'integer', description: 'epoch ms; the receive time when left out' },
    metrics: { type: 'object', additionalProperties: { type: ['number', 'boolean'] } },
    flags: { type: 'object', additionalProperties: { type: 'string' } },
    position: { type: 'array', items: { type: 'number' } },
    span: { type: 'integer', description: 'ms from ts on for which the values are the mean' },
  },
})

const Accepted = Type.Object({
  accepted: Type.Integer(),
  duplicates: Type.Integer(),
  quarantined: Type.Integer(),
  refused: Type.Array(
    Type.Object({ device: Type.String(), code: Type.Enum(REFUSAL_CODES), message: Type.String() }),
    { description: `the first ${REFUSALS_TOLD}` },
  ),
})

/** `POST /readings`. 202 means what a QoS 1 acknowledgement means: on disk, whatever is killed from here on. */
export function readingsIn(api: Api, { intake, devices, clock }: HttpParts, rate: HandInRate): void {
  api.post(
    '/api/v1/readings',
    {
      config: { access: SOURCES, rateLimit: false },
      onRequest: (request) => rate.admit(request.caller!),
      bodyLimit: BODY_LIMIT,
      schema: {
        tags: ['readings'],
        summary: 'Hand in readings',
        description:
          'By the token of a device for itself, of a gateway for the devices that its registration names ' +
          '(`"protocols": {"http": {"forwards": ["…"]}}`), or of an admin for any. 202 means that every reading ' +
          'is on disk: accepted, recognised as a duplicate, or in the quarantine with a code. On any other ' +
          'status send all of it again: what was taken in already counts as duplicates. InfluxDB line protocol is ' +
          'taken at `/write` and `/api/v2/write`, for Telegraf and other agents.',
        body: Type.Unsafe<unknown>({ anyOf: [Sent, { type: 'array', minItems: 1, items: Sent }] }),
        response: { 202: Accepted },
      },
      // The schema describes; the intake judges, so that what is wrong lands in the quarantine with its code.
      validatorCompiler: () => () => true,
    },
    async (request, reply) => {
      const receivedAt = clock.now()
      const body = request.body
      if (body === undefined || (Array.isArray(body) && body.length === 0))
        throw new Problem('bad_request', 'body: no reading; expected at least one')
      const sent: readonly unknown[] = Array.isArray(body) ? body : [body]
      rate.charge(request.caller!, sent.length)
      const messages = messagesOf(sent, request.caller!, devices)
      const outcomes = await Promise.all(
        messages.map(async ({ device, payload }) => {
          const outcome = await intake.accept({ device, payload, receivedAt })
          return { device, outcome }
        }),
      )
      reply.code(202)
      return summary(outcomes)
    },
  )
}

/** One message for each device, its readings in the order in which they were sent. */
function messagesOf(sent: readonly unknown[], caller: Caller, devices: HttpParts['devices']) {
  const byDevice = new Map<string, unknown[]>()
  for (const [i, entry] of sent.entries()) {
    const { device, reading } = addressee(entry, i, caller, devices)
    const readings = byDevice.get(device)
    if (readings === undefined) byDevice.set(device, [reading])
    else readings.push(reading)
  }
  return [...byDevice].flatMap(([device, readings]) =>
    slices(readings, MESSAGE_LIMIT).map((payload) => ({ device, payload })),
  )
}

/** Whose reading it is; refuses the whole request, before any of it is taken in, when the caller may not say so. */
function addressee(entry: unknown, i: number, caller: Caller, devices: HttpParts['devices']) {
  const own = caller.type === 'device' ? caller.device : undefined
  if (typeof entry !== 'object' || entry === null || !('device' in entry)) {
    if (own !== undefined) return { device: own, reading: entry }
    const where = `body/${i}/device`
    throw new Problem('bad_request', `${where}: is missing`, {
      errors: [{ where, what: 'is missing', expected: 'the id of a device' }],
    })
  }
  const { device, ...reading } = entry
  if (typeof device !== 'string') {
    const where = `body/${i}/device`
    throw new Problem('bad_request', `${where}: must be string`, {
      errors: [{ where, what: 'must be string', expected: 'string' }],
    })
  }
  if (!speaksFor(caller, device, devices))
    throw new Problem('forbidden', `body/${i}/device: ${own} may not hand in readings of other devices`)
  return { device, reading }
}

function summary(outcomes: readonly { readonly device: string; readonly outcome: Outcome }[]) {
  const sum = (count: (outcome: Outcome) => number) =>
    outcomes.reduce((total, { outcome }) => total + count(outcome), 0)
  const refused = outcomes.flatMap(({ device, outcome }) =>
    outcome.refused.map(({ code, message }) => ({ device, code, message })),
  )
  return {
    accepted: sum((outcome) => outcome.accepted),
    duplicates: sum((outcome) => outcome.duplicates),
    quarantined: refused.length,
    refused: refused.slice(0, REFUSALS_TOLD),
  }
}
