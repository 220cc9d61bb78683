import multipart from '@fastify/multipart'
import { LRUCache } from 'lru-cache'
import { Type } from 'typebox'
import type { FastifyReply, FastifyRequest } from 'fastify'
import { EvidenceRefused, type EvidenceFile } from '../evidence/evidence.ts'
import { MEDIA, type Media } from '../evidence/media.ts'
import type { Case } from '../model/case.ts'
import { PositionSchema } from '../model/device.ts'
import { ACTORS, READERS } from './access.ts'
import { userOf } from './auth.ts'
import type { HttpParts } from './parts.ts'
import { Problem } from './problem.ts'
import type { Api } from './route.ts'
import { Nullable } from './shapes.ts'

/** What a form needs around its file, bytes. */
const FORM_ROOM = 16 * 1024
/** Who looks at a file again within this, ms, looks once: a video comes in many pieces. */
const ONE_LOOK = 10 * 60_000
const LOOKS = 10_000

const CaseId = Type.Object({ id: Type.String({ maxLength: 128 }) })
const FileId = Type.Object({
  id: Type.String({ maxLength: 128 }),
  file: Type.String({ pattern: '^[0-9a-f]{64}$', description: 'SHA-256 of its bytes' }),
})

const FileShape = Type.Unsafe<EvidenceFile>(
  Type.Object({
    id: Type.String({ description: 'SHA-256 of its bytes; what an action names in `files`' }),
    kind: Type.Enum(['photo', 'video', 'readings', 'frames', 'context'], {
      description: 'the last three are what the gateway froze',
    }),
    media: Type.String(),
    size: Type.Integer({ description: 'bytes' }),
    at: Type.Integer({ description: "the gateway's time, epoch ms" }),
    by: Type.String({ description: 'user name, or `gateway`' }),
    claimed: Nullable(
      Type.Object(
        { takenAt: Type.Optional(Type.String()), position: Type.Optional(PositionSchema) },
        { description: 'what the EXIF data says; anybody can write it, and nothing relies on it' },
      ),
    ),
  }),
)

/** Photos and videos of a case, and what the gateway froze for it. */
export async function evidence(app: Api, { evidence, cases, audit }: HttpParts): Promise<void> {
  const tags = ['cases']
  const looks = new LRUCache<string, true>({ max: LOOKS, ttl: ONE_LOOK })
  const caseOf = (request: FastifyRequest, id: string): Case => {
    const found = cases.get(id)
    if (found === undefined || !userOf(request).scope.seesCase(found)) throw new Problem('not_found')
    return found
  }

  // The form parser is for this one route: elsewhere a form is no body.
  await app.register(async (api: Api) => {
    const limit = Math.max(evidence.limits.photoBytes, evidence.limits.videoBytes)
    await api.register(multipart, {
      limits: { files: 1, fields: 8, parts: 9, fieldSize: 1024, headerPairs: 32, fileSize: limit + 1 },
      throwFileSizeLimit: false,
    })
    api.post(
      '/api/v1/cases/:id/files',
      {
        config: { access: ACTORS, slowBody: true },
        bodyLimit: limit + FORM_ROOM,
        schema: {
          tags,
          summary: 'Add a photo or a video to a case',
          description:
            'A form (`multipart/form-data`) with one file: JPEG, PNG or MP4, by what it is, not by its name. On disk ' +
            'when the answer is there; then actions may name its `id` in `files`. 201 for a new one, 200 when the ' +
            'case has it already.',
          consumes: ['multipart/form-data'],
          params: CaseId,
          response: { 200: FileShape, 201: FileShape },
        },
      },
      async (request, reply) => {
        const { id } = caseOf(request, request.params.id)
        // Who is refused has often not sent it all yet, and what is left is no next request.
        const refuse = (problem: unknown): Error => {
          reply.header('connection', 'close')
          return problem instanceof Error ? problem : new Problem('internal')
        }
        const refused = evidence.refusal(id)
        if (refused !== null) throw refuse(problemFor(refused))
        if (Number(request.headers['content-length'] ?? 0) > limit + FORM_ROOM)
          throw refuse(new Problem('too_large', `at most ${limit} bytes`))
        if (!request.isMultipart())
          throw refuse(new Problem('unsupported_media_type', 'send multipart/form-data with one file'))
        try {
          const part = await request.file()
          if (part === undefined)
            throw new Problem('bad_request', 'body: expected multipart/form-data with one file')
          const upload = await evidence.receive(part.file, { type: 'user', key: userOf(request).user.name })
          const { file, isNew } = await evidence.attach(id, userOf(request).user.name, upload)
          return await reply.code(isNew ? 201 : 200).send(file)
        } catch (error) {
          throw refuse(error instanceof EvidenceRefused ? problemFor(error) : formProblem(error))
        }
      },
    )
  })

  app.get(
    '/api/v1/cases/:id/files',
    {
      config: { access: READERS },
      schema: {
        tags,
        summary: 'Files of a case: photos, videos and what the gateway froze',
        params: CaseId,
        response: { 200: Type.Object({ items: Type.Array(FileShape) }) },
      },
    },
    (request) => ({ items: [...evidence.files(caseOf(request, request.params.id).id)] }),
  )

  app.get(
    '/api/v1/cases/:id/files/:file',
    {
      config: { access: READERS },
      schema: {
        tags,
        summary: 'A file of a case, byte for byte as it came; who reads it is in the audit',
        params: FileId,
        produces: [...Object.keys(MEDIA), 'application/x-ndjson', 'application/json'],
      },
    },
    (request, reply) => {
      const { id } = caseOf(request, request.params.id)
      const file = evidence.file(id, request.params.file)
      if (file === undefined) throw new Problem('not_found')
      const { user } = userOf(request)
      const look = JSON.stringify([user.name, id, file.id])
      if (!looks.has(look)) audit.note(user.name, 'personal.read', id, `${file.kind} ${file.id}`)
      looks.set(look, true)
      return sendFile(request, reply, id, file, (range) => evidence.read(file.id, range))
    },
  )
}

function sendFile(
  request: FastifyRequest,
  reply: FastifyReply,
  caseId: string,
  file: EvidenceFile,
  read: (range?: { start: number; end: number }) => NodeJS.ReadableStream,
): FastifyReply {
  const extension = Object.hasOwn(MEDIA, file.media) ? MEDIA[file.media as Media].extension : 'jsonl'
  const name = `${caseId}-${file.id.slice(0, 8)}.${extension}`.replaceAll(/[^\w.-]/g, '_')
  reply
    .type(file.media)
    .header('content-disposition', `attachment; filename="${name}"`)
    // Should a browser ever show it as a page, it can do nothing there.
    .header('content-security-policy', "default-src 'none'; sandbox")
    .header('accept-ranges', 'bytes')
    .header('etag', `"${file.id}"`)
  const range = rangeOf(request.headers.range, file.size)
  if (range === 'none') return reply.header('content-length', file.size).send(read())
  if (range === 'beyond') {
    reply.header('content-range', `bytes */${file.size}`)
    throw new Problem('range_not_satisfiable', `the file has ${file.size} bytes`)
  }
  return reply
    .code(206)
    .header('content-range', `bytes ${range.start}-${range.end}/${file.size}`)
    .header('content-length', range.end - range.start + 1)
    .send(read(range))
}

/** RFC 9110 §14.1.2, one range; what is none, or more than one, is answered with the whole. */
function rangeOf(
  header: string | undefined,
  size: number,
): 'none' | 'beyond' | { readonly start: number; readonly end: number } {
  const [, from = '', to = ''] = /^bytes=(\d{0,15})-(\d{0,15})$/.exec(header ?? '') ?? []
  if (from === '' && to === '') return 'none'
  const start = from === '' ? Math.max(0, size - Number(to)) : Number(from)
  const end = from === '' || to === '' ? size - 1 : Math.min(Number(to), size - 1)
  if (start >= size || (from === '' && Number(to) === 0)) return 'beyond'
  return start > end ? 'none' : { start, end }
}

function problemFor({ reason, message }: EvidenceRefused): Problem {
  return new Problem(reason, message)
}

/** What the form parser complains of. */
function formProblem(error: unknown): unknown {
  const { code } = error as { readonly code?: unknown }
  if (code === 'FST_FILES_LIMIT' || code === 'FST_PARTS_LIMIT' || code === 'FST_FIELDS_LIMIT')
    return new Problem('bad_request', 'body: expected one file')
  if (code === 'FST_INVALID_MULTIPART_CONTENT_TYPE')
    return new Problem('unsupported_media_type', 'send multipart/form-data with one file')
  const isFormTrouble = error instanceof Error && !(error instanceof Problem) && isMalformed(error)
  return isFormTrouble ? new Problem('bad_request', `body: no form: ${error.message}`) : error
}

/** Busboy's errors have no code. */
function isMalformed(error: Error): boolean {
  return /multipart|boundary|form|premature|Unexpected end/i.test(error.message)
}
