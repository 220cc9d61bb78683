import type { Readable } from 'node:stream'
import { Type } from 'typebox'
import { caseFile } from '../evidence/case-file.ts'
import { READERS } from './access.ts'
import { userOf } from './auth.ts'
import type { HttpParts } from './parts.ts'
import { Problem } from './problem.ts'
import type { Api } from './route.ts'

/** Exports at once: each reads the disk and packs. */
const AT_ONCE = 4

/** One whistle, one file (一哨一档): all that is known of a case in one signed archive. */
export function caseFiles(api: Api, parts: HttpParts): void {
  const { cases, captures, evidenceKey, audit } = parts
  let open = 0
  api.get(
    '/api/v1/cases/:id/export',
    {
      config: { access: READERS },
      // A HEAD request would pack all of it for nothing.
      exposeHeadRoute: false,
      schema: {
        tags: ['cases'],
        summary: 'The file of a case: one ZIP with a report to read and parts for programs, signed',
        description:
          'Holds `report.html` with charts, map, timeline and photos; `case.json`, `timeline.jsonl` with the hashes ' +
          'that chain it, `alarms.json`, `rule.yaml`, `context.json`, `readings.jsonl`, `readings.csv`, ' +
          '`frames.jsonl`, `files/`, and what was frozen earlier in `frozen/`; `manifest.json` with the SHA-256 of ' +
          'every part, signed. `gridwhistle case verify` tells whether a byte of it has changed. In the audit.',
        params: Type.Object({ id: Type.String({ maxLength: 128 }) }),
        produces: ['application/zip'],
        response: { 200: Type.Unsafe<Readable>(Type.String()) },
      },
    },
    async (request, reply) => {
      const { id } = request.params
      const { user, scope } = userOf(request)
      const found = cases.get(id)
      if (found === undefined || !scope.seesCase(found))
        throw new Problem('not_found', `case "${request.params.id}" does not exist`)
      if (open >= AT_ONCE) throw new Problem('overloaded', `${AT_ONCE} files are being exported`)
      open++
      let isOver = false
      const over = () => {
        if (!isOver) open--
        isOver = true
      }
      reply.raw.once('close', over)
      try {
        await captures.ensure(id)
        audit.note(user.name, 'personal.read', id, 'export')
        const archive = await caseFile(id, { ...parts, key: evidenceKey })
        return await reply
          .type('application/zip')
          .header('content-disposition', `attachment; filename="${id.replaceAll(/[^\w.-]/g, '_')}.zip"`)
          .send(archive)
      } catch (error) {
        over()
        throw error
      }
    },
  )
  api.get(
    '/api/v1/evidence-key',
    {
      config: { access: READERS },
      schema: {
        tags: ['cases'],
        summary: 'The key that signs case files, for who verifies them',
        response: {
          200: Type.Object({
            algorithm: Type.Literal('Ed25519'),
            publicKey: Type.String({ description: 'SubjectPublicKeyInfo, DER, base64' }),
            fingerprint: Type.String({ description: 'SHA-256 of it, hexadecimal' }),
          }),
        },
      },
    },
    () => evidenceKey.public,
  )
}
