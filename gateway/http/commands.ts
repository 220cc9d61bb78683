import { Type } from 'typebox'
import { ACTORS } from './access.ts'
import { userOf } from './auth.ts'
import type { HttpParts } from './parts.ts'
import { Problem } from './problem.ts'
import type { Api } from './route.ts'

/** A command is worth nothing later than this from now, ms. */
const LONGEST = 24 * 3_600_000

/** `POST /devices/{id}/commands`: what people tell devices to do. */
export function commands(api: Api, { devices, clock, commandSender }: HttpParts): void {
  api.post(
    '/api/v1/devices/:id/commands',
    {
      config: { access: ACTORS },
      schema: {
        tags: ['devices'],
        summary: 'Send a command to a device',
        description:
          'Goes out on `v1/{device}/commands` with QoS 1. The device answers on ' +
          '`v1/{device}/commands/{id}/result`, once; the audit keeps both. A device that finds it expired must not carry it out. ' +
          'To a device that is bound to HJ 212 it goes over its connection, with the handshake of the standard: get_time, ' +
          'set_time, get_realtime_interval, set_realtime_interval `{"seconds"}`, get_minute_interval, set_minute_interval ' +
          '`{"minutes"}`, ask_history `{"period":"minute|hour|day","from","to"}`; 409 when it is not connected.',
        params: Type.Object({ id: Type.String({ maxLength: 64 }) }),
        body: Type.Object(
          {
            command: Type.String({ pattern: '^[a-z][a-z0-9_.-]{0,63}$', description: 'such as `say`' }),
            args: Type.Optional(
              Type.Record(Type.String({ maxLength: 64 }), Type.Unknown(), {
                description: 'such as `{"text":"…"}`',
              }),
            ),
            expires: Type.Optional(
              Type.Integer({ description: 'epoch ms; a minute from now when left out' }),
            ),
          },
          { additionalProperties: false },
        ),
        response: {
          202: Type.Object({ id: Type.String(), command: Type.String(), expires: Type.Integer() }),
        },
      },
    },
    async (request, reply) => {
      const { user, scope } = userOf(request)
      const device = devices.get(request.params.id)
      if (device === undefined || !scope.sees(device)) throw new Problem('not_found')
      const { command, args = {}, expires } = request.body
      if (expires !== undefined && (expires <= clock.now() || expires > clock.now() + LONGEST))
        throw new Problem('bad_request', 'body/expires: must lie within the next 24 hours')
      const sent = await commandSender.send(user.name, {
        device: device.id,
        command,
        args,
        ...(expires !== undefined && { expires }),
      })
      if (sent.type === 'refused') throw new Problem(sent.code, sent.detail)
      reply.code(202)
      return { id: sent.id, command, expires: sent.expires }
    },
  )
}
