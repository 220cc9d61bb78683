import type { IncomingMessage } from 'node:http'
import { promisify } from 'node:util'
import { gunzip } from 'node:zlib'
import { Type } from 'typebox'
import type { FastifyReply, FastifyRequest } from 'fastify'
import { decode, lineCount, type BadLine, type Decoded } from '../../adapters/line-protocol/codec.ts'
import { JsonText } from '../../adapters/line-protocol/json-text.ts'
import { precisionOf } from '../../adapters/line-protocol/time.ts'
import { MESSAGE_LIMIT, RAW_LIMIT, type Refusal, type RefusalCode } from '../model/reading.ts'
import { BodyMemory } from './body-memory.ts'
import { PUBLIC, SOURCES, type Access } from './access.ts'
import type { Caller } from './auth.ts'
import type { HandInRate } from './hand-in-rate.ts'
import type { HttpParts } from './parts.ts'
import { Problem, problemOf, type ProblemCode } from './problem.ts'
import type { Api } from './route.ts'
import { slices } from './slices.ts'
import { speaksFor } from './speaks-for.ts'

/** Bytes of one request, packed and unpacked. */
const BODY_LIMIT = 4 * 1024 * 1024
/** Lines of one request; clients send some 1,000 to 5,000. */
const LINES_LIMIT = 10_000

const WRITERS: Access = { ...SOURCES, influx: true }
const unpack = promisify(gunzip)

const Text = Type.Optional(Type.String({ maxLength: 256 }))

/**
 * The write APIs of InfluxDB 1 and 2 at the addresses where Telegraf and other agents look for them, and as much of
 * the rest as they ask for at their start. A registered device or gateway signs in as it does elsewhere.
 *
 * 204 means what a QoS 1 acknowledgement means. After a 400 "partial write" nothing is to be sent again either: what
 * could be read is accepted, and the rest is in the quarantine.
 */
export async function influxWrite(app: Api, parts: HttpParts, rate: HandInRate): Promise<void> {
  await app.register(async (api: Api) => {
    // Agents name no type, an empty one, or a wrong one, as curl does: what comes is what the route takes.
    api.addHook('onRequest', (request, _reply, done) => {
      delete request.headers['content-type']
      done()
    })
    api.removeAllContentTypeParsers()
    const memory = new BodyMemory()
    api.addContentTypeParser('*', (_request: FastifyRequest, payload: IncomingMessage) =>
      memory.read(payload, payload.headers['content-length'], BODY_LIMIT),
    )
    api.setErrorHandler(answerInfluxError)
    for (const url of ['/write', '/api/v2/write']) writeRoute(api, url, parts, rate, memory)
    startRoutes(api, parts.version)
  })
}

function writeRoute(api: Api, url: string, parts: HttpParts, rate: HandInRate, memory: BodyMemory): void {
  const limits = { readings: MESSAGE_LIMIT, bytes: parts.maxMessageBytes }
  // For all requests: what is handed in is copied before the next is decoded.
  const text = new JsonText()
  api.post(
    url,
    {
      config: { access: WRITERS, rateLimit: false },
      onRequest: (request) => rate.admit(request.caller!),
      bodyLimit: BODY_LIMIT,
      schema: {
        // Described by InfluxDB, and by adapters/line-protocol/README.md.
        hide: true,
        querystring: Type.Object({
          precision: Type.Optional(Type.String({ maxLength: 8 })),
          db: Text,
          rp: Text,
          org: Text,
          bucket: Text,
          u: Text,
          p: Text,
        }),
        response: { 204: Type.Null() },
      },
    },
    async (request, reply) => {
      const receivedAt = parts.clock.now()
      const precision = precisionOf(request.query.precision ?? '')
      if (precision === undefined)
        throw new Problem('bad_request', 'precision: expected ns, us, ms, s, m or h')
      const input = await inputOf(request)
      const lines = lineCount(input)
      if (lines > LINES_LIMIT)
        throw new Problem('too_large', `${lines} lines; expected at most ${LINES_LIMIT}`)
      rate.charge(request.caller!, lines)
      const decoded = decode(input, precision, limits, text)
      if (Buffer.isBuffer(request.body)) memory.release(request.body)
      const refused = await handIn(decoded, request.caller!, receivedAt, parts)
      if (refused.length > 0) throw partialWrite(refused)
      reply.code(204)
      return null
    },
  )
}

async function inputOf({ body, headers }: FastifyRequest): Promise<Buffer> {
  if (!Buffer.isBuffer(body)) return Buffer.alloc(0)
  const encoding = headers['content-encoding']?.toLowerCase() ?? 'identity'
  if (encoding === 'identity') return body
  if (encoding !== 'gzip') throw new Problem('unsupported_media_type', 'content-encoding: expected gzip')
  try {
    return await unpack(body, { maxOutputLength: BODY_LIMIT })
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ERR_BUFFER_TOO_LARGE') throw new Problem('too_large')
    throw new Problem('bad_request', 'body: is not gzip')
  }
}

/** Resolves, when all of it is on disk, with what went to the quarantine. */
async function handIn(
  { batches, bad }: Decoded,
  caller: Caller,
  receivedAt: number,
  { intake, devices, journal }: HttpParts,
): Promise<readonly Refusal[]> {
  const sender = caller.type === 'device' ? caller.device : null
  const refuse = (device: string | null, code: RefusalCode, message: string, text: string): Refusal => {
    const raw = Buffer.from(text)
    return { device, code, message, raw: raw.subarray(0, RAW_LIMIT), rawSize: raw.length, receivedAt }
  }
  const refusals = bad.map((line) => refuse(sender, 'bad_line', describe(line), line.text))
  const writes: Promise<readonly Refusal[]>[] = []
  for (const { kind, device = sender, messages } of batches) {
    const fault = faultOf(kind, device, caller, devices)
    for (const { readings: payload, text } of messages) {
      if (fault === null)
        writes.push(
          intake.accept({ device: device!, payload, text, receivedAt }).then(({ refused }) => refused),
        )
      else
        for (const reading of payload)
          refusals.push(refuse(fault.owner, fault.code, fault.message, JSON.stringify(reading)))
    }
  }
  for (const part of slices(refusals, MESSAGE_LIMIT))
    writes.push(journal.append({ duplicates: 0, refusals: part }).then(() => part))
  return (await Promise.all(writes)).flat()
}

/**
 * Why lines are not for the intake to judge. Its `owner` is whose they count as in the quarantine: never another
 * device than the sender that may not speak for it.
 */
function faultOf(
  kind: string,
  device: string | null,
  caller: Caller,
  devices: HttpParts['devices'],
): { owner: string | null; code: RefusalCode; message: string } | null {
  if (device === null)
    return { owner: null, code: 'unknown_device', message: `${quote(kind)}: without a tag device` }
  if (!speaksFor(caller, device, devices)) {
    const owner = caller.type === 'device' ? caller.device : null
    return { owner, code: 'forbidden', message: `it may not hand in readings of ${quote(device)}` }
  }
  const registered = devices.get(device)
  if (registered === undefined || registered.kind === kind) return null
  const message = `measurement: ${quote(kind)}; ${quote(device)} is a ${registered.kind}`
  return { owner: device, code: 'wrong_kind', message }
}

const SHOWN = 64

function quote(text: string): string {
  return JSON.stringify(text.length > SHOWN ? `${text.slice(0, SHOWN)}…` : text)
}

function describe({ number, text, reason }: BadLine): string {
  return `unable to parse line ${number} ${quote(text)}: ${reason}`
}

/** In the words that Telegraf looks for. */
function partialWrite(refused: readonly Refusal[]): Problem {
  const { code, message } = refused[0]!
  return new Problem('bad_request', `partial write: ${code}: ${message} dropped=${refused.length}`)
}

/** What agents ask for before they write: whether somebody is there, and for a database, which is always there. */
function startRoutes(api: Api, version: string): void {
  api.get('/ping', { config: { access: PUBLIC }, schema: { hide: true } }, (_request, reply) =>
    reply.header('x-influxdb-version', `gridwhistle-${version}`).code(204).send(),
  )
  api.get('/health', { config: { access: PUBLIC }, schema: { hide: true } }, () => ({
    name: 'gridwhistle',
    message: 'ready for writes',
    status: 'pass',
    version,
  }))
  api.post(
    '/query',
    {
      config: { access: WRITERS },
      schema: { hide: true, querystring: Type.Object({ q: Type.Optional(Type.String()), u: Text, p: Text }) },
    },
    (request) => {
      const form = Buffer.isBuffer(request.body) ? request.body.toString('utf8') : ''
      const statement = request.query.q ?? new URLSearchParams(form).get('q') ?? ''
      if (!/^\s*CREATE\s+DATABASE\b/i.test(statement))
        throw new Problem(
          'bad_request',
          'only CREATE DATABASE is understood; ask /api/v1/readings for readings',
        )
      return { results: [{ statement_id: 0 }] }
    },
  )
}

const CREDENTIALS = 'agents send Authorization: Token SECRET, Basic, or the parameters u and p'

/** Codes of InfluxDB 2; what is not here is `invalid`. */
const CODES: Partial<Record<ProblemCode, string>> = {
  unauthenticated: 'unauthorized',
  forbidden: 'forbidden',
  too_large: 'request too large',
  too_many_requests: 'too many requests',
  journal_unavailable: 'unavailable',
  internal: 'internal error',
}

/** One document for both: version 1 reads `error`, version 2 `code` and `message`. */
function answerInfluxError(error: unknown, request: FastifyRequest, reply: FastifyReply): FastifyReply {
  const problem = problemOf(error)
  const { title, detail: told = title, status } = problem.document()
  const detail = problem.code === 'unauthenticated' ? `${told}; ${CREDENTIALS}` : told
  if (problem.code === 'internal')
    request.log.error({ err: error, route: request.routeOptions.url }, 'request failed')
  // Telegraf's output for InfluxDB 1 drops what any 4xx answers, also this one, and keeps what a 503 does.
  const isBusy = problem.code === 'too_many_requests'
  if (isBusy || status === 503) reply.header('retry-after', '1')
  if (problem.code === 'unauthenticated') reply.header('www-authenticate', 'Token realm="gridwhistle"')
  return reply
    .code(isBusy && request.routeOptions.url === '/write' ? 503 : status)
    .type('application/json')
    .serializer((body: unknown) => JSON.stringify(body))
    .send({ code: CODES[problem.code] ?? 'invalid', message: detail, error: detail })
}
