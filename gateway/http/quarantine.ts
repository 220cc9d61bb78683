import { Type } from 'typebox'
import { REFUSAL_CODES } from '../model/reading.ts'
import { DISTRICT, OVERVIEW } from './access.ts'
import { userOf } from './auth.ts'
import { Page, pageQuery, readCursor, writeCursor } from './paging.ts'
import type { HttpParts } from './parts.ts'
import { Problem } from './problem.ts'
import type { Api } from './route.ts'
import { Nullable } from './shapes.ts'

const Refused = Type.Object({
  id: Type.Integer(),
  device: Nullable(Type.String({ description: 'as it named itself; it need not be registered' })),
  code: Type.Enum(REFUSAL_CODES),
  message: Type.String(),
  raw: Type.String({ description: 'the first 4 KiB as text; bytes that are not UTF-8 show as �' }),
  rawBase64: Type.String({ description: 'the same bytes, exact' }),
  rawSize: Type.Integer({ description: 'bytes before it was cut' }),
  receivedAt: Type.Integer(),
})

const Retried = Type.Object({
  released: Type.Literal(true),
  accepted: Type.Integer(),
  duplicates: Type.Integer(),
})

/** Refused readings: shown, and tried again once a device or a kind has been put right. */
export function quarantine(api: Api, { quarantine, intake, audit }: HttpParts): void {
  const tags = ['readings']
  api.get(
    '/api/v1/quarantine',
    {
      config: { access: OVERVIEW },
      schema: {
        tags,
        summary: 'Refused readings, newest first',
        querystring: Type.Object({
          device: Type.Optional(Type.String({ maxLength: 256 })),
          code: Type.Optional(Type.Enum(REFUSAL_CODES)),
          ...pageQuery(100, 1000),
        }),
        response: { 200: Page(Refused) },
      },
    },
    (request) => {
      const { limit = 100, cursor, device, code } = request.query
      const after = cursor === undefined ? undefined : readCursor('quarantine', cursor, ['string'])[0]
      const page = list(() => quarantine.list({ limit, cursor: after, device, code }))
      const items = page.items.map(({ raw, ...entry }) => ({
        ...entry,
        raw: Buffer.from(raw).toString('utf8'),
        rawBase64: Buffer.from(raw).toString('base64'),
      }))
      return { items, ...(page.cursor !== undefined && { cursor: writeCursor('quarantine', [page.cursor]) }) }
    },
  )
  api.post(
    '/api/v1/quarantine/:id/retry',
    {
      config: { access: DISTRICT },
      schema: {
        tags,
        summary: 'Try a refused reading again',
        description: 'It leaves the quarantine when it passes now; otherwise 409 says why it does not.',
        params: Type.Object({ id: Type.Integer({ minimum: 0 }) }),
        response: { 200: Retried },
      },
    },
    async (request) => {
      const entry = quarantine.get(request.params.id)
      if (entry === undefined) throw new Problem('not_found')
      const outcome = await intake.retry(entry)
      if (!outcome.released) throw new Problem('conflict', `${outcome.code}: ${outcome.message}`)
      audit.note(userOf(request).user.name, 'quarantine.retry', String(entry.id))
      const { accepted, duplicates } = outcome.outcome
      return { released: true, accepted, duplicates } as const
    },
  )
}

function list<T>(ask: () => T): T {
  try {
    return ask()
  } catch (error) {
    if (error instanceof RangeError) throw new Problem('bad_cursor')
    throw error
  }
}
