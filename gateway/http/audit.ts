import { Readable } from 'node:stream'
import { DateTime } from 'luxon'
import { Type } from 'typebox'
import type { AuditEntry, AuditQuery } from '../registry/audit.ts'
import { csvLine } from '../registry/csv-line.ts'
import { ADMIN } from './access.ts'
import { userOf } from './auth.ts'
import { Instant, instant } from './instant.ts'
import { Page, pageQuery, readCursor, writeCursor } from './paging.ts'
import type { HttpParts } from './parts.ts'
import type { Api } from './route.ts'
import { Nullable } from './shapes.ts'

const Entry = Type.Object({
  id: Type.Integer(),
  at: Type.Integer({ description: 'epoch ms' }),
  actor: Type.String({ description: 'user name, or `gateway`' }),
  action: Type.String(),
  subject: Type.String({ description: 'what it was done to' }),
  detail: Nullable(Type.String()),
  address: Nullable(Type.String({ description: 'where it came from' })),
})

/** What a request leads to came from its address. Twice, for a body arrives in the context of its socket. */
export function noteOrigins(api: Api, { audit }: HttpParts): void {
  api.addHook('onRequest', (request, _reply, done) => audit.from(request.ip, done))
  api.addHook('preValidation', (request, _reply, done) => audit.from(request.ip, done))
}

/** Rows of an export that are read at once: it is the main thread that reads them. */
const CHUNK = 500

/** `GET /audit`: who changed what or saw whose data, when, and from where. */
export function auditLog(api: Api, { audit }: HttpParts): void {
  const Text = (description: string) => Type.Optional(Type.String({ maxLength: 128, description }))
  api.get(
    '/api/v1/audit',
    {
      config: { access: ADMIN },
      schema: {
        tags: ['users'],
        summary: 'Who changed what or saw whose data, newest first',
        description:
          'Every change that a person makes and every look at personal data (`personal.read`). Entries are chained by ' +
          'SHA-256; `gridwhistle audit verify` tells whether one is missing. With `format=csv`, all that the filters ' +
          'leave, and the export itself is an entry (`audit.export`).',
        querystring: Type.Object({
          actor: Text('a user name, or `gateway`'),
          action: Text('an action, or with a dot at its end all that begin with it: `user.`'),
          subject: Text('what it was done to'),
          from: Type.Optional(Instant('at or after')),
          to: Type.Optional(Instant('before')),
          format: Type.Optional(Type.Enum(['json', 'csv'], { description: 'json when left out' })),
          ...pageQuery(100, 1000),
        }),
        response: {
          200: {
            description: 'the entries',
            content: {
              'application/json': { schema: Page(Entry) },
              'text/csv': { schema: Type.Unsafe<string | Readable>(Type.String()) },
            },
          },
        },
      },
    },
    async (request, reply) => {
      const { limit = 100, cursor, format, from, to, actor, action, subject } = request.query
      const query = { actor, action, subject, from: instant('from', from), to: instant('to', to) }
      if (format === 'csv') {
        audit.note(userOf(request).user.name, 'audit.export', 'audit', JSON.stringify(query))
        reply.header('content-disposition', 'attachment; filename="audit.csv"')
        return await reply.type('text/csv; charset=utf-8').send(Readable.from(csvOf(audit, query)))
      }
      const page = audit.list({
        ...query,
        limit,
        cursor: cursor === undefined ? undefined : readCursor('audit', cursor, ['number', 'number']),
      })
      if (page.cursor === undefined) return { items: page.items }
      return { items: page.items, cursor: writeCursor('audit', page.cursor) }
    },
  )
}

function* csvOf(audit: HttpParts['audit'], query: AuditQuery): Generator<string> {
  yield csvLine(['id', 'at', 'actor', 'action', 'subject', 'detail', 'address'])
  let cursor: readonly [number, number] | undefined
  do {
    const page = audit.list({ ...query, limit: CHUNK, cursor })
    yield page.items.map(lineOf).join('')
    cursor = page.cursor
  } while (cursor !== undefined)
}

function lineOf({ id, at, actor, action, subject, detail, address }: AuditEntry): string {
  const time = DateTime.fromMillis(at, { zone: 'Asia/Shanghai' }).toISO()
  return csvLine([id, time, actor, action, subject, detail, address])
}
