import { STATUS_CODES } from 'node:http'
import type { Socket } from 'node:net'
import { Type, type Static } from 'typebox'
import type { FastifyError, FastifyReply, FastifyRequest, FastifySchemaValidationError } from 'fastify'
import { HistorianUnavailable } from '../historian/recorder.ts'
import { JudgeBusy } from '../judge/judge.ts'
import { JournalUnavailable } from '../model/pipeline.ts'
import { RegistryError, type RegistryCode } from '../registry/registry-error.ts'

/**
 * Every refusal of the HTTP API, by its stable code: the status and the title that go with it. Programs
 * branch on the code; titles and details are for people and may change.
 */
export const PROBLEMS = {
  bad_request: [400, 'The request is not valid'],
  bad_json: [400, 'The body is not valid JSON'],
  bad_cursor: [400, 'The cursor is not one that this list gave out'],
  unknown_metric: [400, 'The kind of this device has no such metric'],
  bad_rule: [400, 'The rule is not valid; the rules in force stay as they were'],
  unauthenticated: [401, 'Sign in first'],
  expired: [401, 'What you signed in with has expired'],
  forbidden: [403, 'Your role may not do this'],
  cross_site: [403, 'The request came from another site'],
  not_found: [404, 'There is nothing here'],
  method_not_allowed: [405, 'This address does not take the method'],
  conflict: [409, 'The present state does not allow this'],
  action_not_allowed: [409, 'The state of the case does not allow this action'],
  version_conflict: [409, 'It has changed since you looked'],
  no_suggestion: [409, 'There is nothing to suggest'],
  case_closed: [409, 'The case is closed'],
  too_many_files: [409, 'The case has as many files as it may have'],
  timeout: [408, 'The request took too long to arrive'],
  too_large: [413, 'The body is too large'],
  bad_evidence: [415, 'The file is none that is taken as evidence'],
  range_not_satisfiable: [416, 'The file is not that long'],
  unsupported_media_type: [415, 'The body is of a type that is not taken here'],
  too_many_requests: [429, 'Too many requests; wait a little'],
  headers_too_large: [431, 'The head of the request is too large'],
  internal: [500, 'The gateway failed; its log says why'],
  journal_unavailable: [503, 'The journal cannot take readings now; nothing was accepted, try again'],
  historian_unavailable: [503, 'The historian cannot answer now; try again'],
  registry_unavailable: [503, 'The registry cannot be written now; try again'],
  rules_busy: [503, 'The rules cannot change at this moment; try again'],
  overloaded: [503, 'The gateway has no room for this now; try again'],
  evidence_full: [507, 'The space for evidence is used up'],
} as const satisfies Record<string, readonly [status: number, title: string]>
export type ProblemCode = keyof typeof PROBLEMS

/** RFC 9457 §3, with `code`, and where they apply what was wrong with the input and what would be right. */
export const ProblemSchema = Type.Object(
  {
    type: Type.String({ description: 'urn:gridwhistle:problem:{code}' }),
    title: Type.String(),
    status: Type.Integer(),
    code: Type.String({ description: 'stable; what programs branch on' }),
    detail: Type.Optional(Type.String()),
    errors: Type.Optional(
      Type.Array(
        Type.Object({
          where: Type.String({ description: 'part of the request and path in it: body/0/ts' }),
          what: Type.String(),
          expected: Type.Optional(Type.Unknown()),
        }),
      ),
    ),
    known: Type.Optional(Type.Array(Type.String(), { description: 'what would have been understood' })),
    allowed: Type.Optional(
      Type.Array(Type.String(), { description: 'actions that the state of the case allows you' }),
    ),
    state: Type.Optional(Type.String({ description: 'of the case' })),
    version: Type.Optional(Type.Integer({ description: 'of the case' })),
    by: Type.Optional(Type.String({ description: 'who brought the case there' })),
    at: Type.Optional(Type.Integer({ description: 'and when, epoch ms' })),
    team: Type.Optional(Type.String({ description: 'the team that has it since' })),
  },
  { $id: 'Problem', description: 'RFC 9457 problem document' },
)
export type ProblemDocument = Static<typeof ProblemSchema>
type Members = Partial<
  Pick<ProblemDocument, 'errors' | 'known' | 'allowed' | 'state' | 'version' | 'by' | 'at' | 'team'>
>

/** Thrown by routes; the error handler writes the document. */
export class Problem extends Error {
  override readonly name = 'Problem'
  readonly code: ProblemCode
  readonly members: Members

  constructor(code: ProblemCode, detail?: string, members: Members = {}) {
    super(detail ?? '')
    this.code = code
    this.members = members
  }

  document(): ProblemDocument {
    const [status, title] = PROBLEMS[this.code]
    return {
      type: `urn:gridwhistle:problem:${this.code}`,
      title,
      status,
      code: this.code,
      ...(this.message === '' ? {} : { detail: this.message }),
      ...this.members,
    }
  }
}

/** The only place where a failed request is logged and answered; no stack trace leaves it. */
export function answerError(error: unknown, request: FastifyRequest, reply: FastifyReply): FastifyReply {
  const problem = problemOf(error)
  const document = problem.document()
  if (problem.code === 'internal' || problem.code === 'registry_unavailable')
    request.log.error({ err: error, route: request.routeOptions.url }, 'request failed')
  if (document.status === 401) reply.header('www-authenticate', 'Bearer realm="gridwhistle"')
  if (document.status === 503) reply.header('retry-after', '1')
  // Serialised here: the route's response schemas describe its answers, not its failures.
  return reply
    .code(document.status)
    .type('application/problem+json')
    .serializer((body: unknown) => JSON.stringify(body))
    .send(document)
}

/** What is not HTTP, or never became a whole request: there is nothing to route, only a socket to answer. */
export function answerClientError(error: NodeJS.ErrnoException, socket: Socket): void {
  if (error.code === 'ECONNRESET' || !socket.writable) {
    socket.destroy()
    return
  }
  const document = new Problem(CLIENT_PROBLEMS.get(error.code) ?? 'bad_request').document()
  const body = JSON.stringify(document)
  socket.end(
    `HTTP/1.1 ${document.status} ${STATUS_CODES[document.status]}\r\nConnection: close\r\n` +
      `Content-Type: application/problem+json\r\nContent-Length: ${Buffer.byteLength(body)}\r\n\r\n${body}`,
  )
}

const CLIENT_PROBLEMS: ReadonlyMap<string | undefined, ProblemCode> = new Map([
  ['HPE_HEADER_OVERFLOW', 'headers_too_large'],
  ['ERR_HTTP_REQUEST_TIMEOUT', 'timeout'],
])

const REGISTRY_PROBLEMS = {
  invalid: 'bad_request',
  exists: 'conflict',
  not_found: 'not_found',
  busy: 'overloaded',
} as const satisfies Record<RegistryCode, ProblemCode>

/** Result codes of SQLite for a disk that does not take it: BUSY, READONLY, IOERR, FULL, CANTOPEN. */
const DISK_TROUBLE: readonly number[] = [5, 8, 10, 13, 14]

function isDiskTrouble(error: Error): boolean {
  const { errcode } = error as Error & { readonly errcode?: unknown }
  // The low byte is the code, the rest says more about it.
  return typeof errcode === 'number' && DISK_TROUBLE.includes(errcode & 0xff)
}

export function problemOf(error: unknown): Problem {
  if (error instanceof Problem) return error
  if (error instanceof JournalUnavailable) return new Problem('journal_unavailable')
  if (error instanceof HistorianUnavailable) return new Problem('historian_unavailable')
  if (error instanceof JudgeBusy) return new Problem('rules_busy', error.message)
  if (error instanceof RegistryError) return new Problem(REGISTRY_PROBLEMS[error.code], error.message)
  if (!(error instanceof Error)) return new Problem('internal')
  if (isDiskTrouble(error)) return new Problem('registry_unavailable')
  const { code, statusCode, validation, validationContext } = error as FastifyError
  // Node's word for a client that went away in the middle of its body: nothing is wrong here.
  if (code === 'ECONNRESET' && error.message === 'aborted')
    return new Problem('bad_request', 'the body was cut off')
  if (validation !== undefined) return invalid(validation, validationContext ?? 'request')
  switch (code) {
    case 'FST_ERR_CTP_BODY_TOO_LARGE':
      return new Problem('too_large')
    case 'FST_ERR_CTP_INVALID_MEDIA_TYPE':
      return new Problem('unsupported_media_type', 'send content-type: application/json')
    case 'FST_ERR_CTP_EMPTY_JSON_BODY':
    case 'FST_ERR_CTP_INVALID_JSON_BODY':
      return new Problem('bad_json')
  }
  if (error instanceof SyntaxError) return new Problem('bad_json', error.message)
  if (statusCode === 404) return new Problem('not_found')
  if (statusCode === 413) return new Problem('too_large')
  if (statusCode === 415) return new Problem('unsupported_media_type', 'send content-type: application/json')
  if (statusCode === 429) return new Problem('too_many_requests')
  if (statusCode !== undefined && statusCode >= 400 && statusCode < 500) return new Problem('bad_request')
  return new Problem('internal')
}

/** What, where, expected: the three things that a person needs to mend a request. */
function invalid(failures: readonly FastifySchemaValidationError[], part: string): Problem {
  const errors = failures.map((failure) => {
    const key: unknown = failure.params['missingProperty'] ?? failure.params['additionalProperty']
    const where = part + failure.instancePath + (typeof key === 'string' ? `/${key}` : '')
    const expected = expectation(failure)
    return { where, what: failure.message ?? 'is not valid', ...(expected === undefined ? {} : { expected }) }
  })
  const first = errors[0]
  return new Problem('bad_request', first === undefined ? undefined : `${first.where}: ${first.what}`, {
    errors,
  })
}

function expectation({ keyword, params }: FastifySchemaValidationError): unknown {
  switch (keyword) {
    case 'type':
      return params['type']
    case 'enum':
      return params['allowedValues']
    case 'const':
      return params['allowedValue']
    case 'pattern':
      return params['pattern']
    case 'required':
      return 'to be present'
    case 'additionalProperties':
      return 'to be absent'
    default:
      return params['limit']
  }
}
