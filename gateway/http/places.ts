import { Type } from 'typebox'
import { qrSheet, reportUrl, SHEET_POLICY, type Print } from '../people/qr-sheet.ts'
import { ADMIN } from './access.ts'
import type { HttpParts } from './parts.ts'
import { Problem } from './problem.ts'
import type { Api } from './route.ts'

const Title = Type.Object({ zh: Type.String(), en: Type.String() })

/** The places where people report, with the codes to print. Whoever has a code may report there: for admins. */
export function places(api: Api, { people, district }: HttpParts): void {
  api.get(
    '/api/v1/places/qr',
    {
      config: { access: ADMIN },
      schema: {
        tags: ['people'],
        summary: 'Printed codes of the places where people report',
        description: 'As JSON, or with `format=html` as a sheet to print, for which `url` is needed.',
        querystring: Type.Object({
          format: Type.Optional(Type.Enum(['json', 'html'], { default: 'json' })),
          url: Type.Optional(
            Type.String({
              maxLength: 200,
              pattern: '^https?://[^\\s"\'<>]+$',
              description: 'as people reach the gateway: https://report.example.cn',
            }),
          ),
        }),
        response: {
          200: Type.Object({
            items: Type.Array(
              Type.Object({
                place: Type.String(),
                title: Title,
                street: Type.String(),
                grid: Type.String(),
                code: Type.String({ description: 'what the QR code holds after `/r/`' }),
                path: Type.String(),
                url: Type.Optional(Type.String()),
              }),
            ),
          }),
        },
      },
    },
    async (request, reply) => {
      const { format, url } = request.query
      const all = people.places.all()
      if (format === 'html') {
        if (url === undefined)
          throw new Problem(
            'bad_request',
            'querystring/url: is needed for a sheet; it is what the codes lead to',
          )
        const prints = all.map((place): Print => ({
          place,
          street: district.streets.find(({ id }) => id === place.street)?.title,
          url: reportUrl(url, people.places.codeOf(place.id)),
        }))
        reply.header('content-security-policy', SHEET_POLICY).type('text/html; charset=utf-8')
        // Not JSON: the schema is of the other form.
        return reply.serializer(String).send((await qrSheet(district.title, prints)) as never)
      }
      const items = all.map(({ id, title, street, grid }) => {
        const code = people.places.codeOf(id)
        const path = `/r/${code}`
        return {
          place: id,
          title,
          street,
          grid,
          code,
          path,
          ...(url !== undefined && { url: reportUrl(url, code) }),
        }
      })
      return { items }
    },
  )
}
