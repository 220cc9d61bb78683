import { randomUUID } from 'node:crypto'
import { Type } from 'typebox'
import { ACTORS } from './access.ts'
import { userOf } from './auth.ts'
import type { HttpParts } from './parts.ts'
import { Problem } from './problem.ts'
import type { Api } from './route.ts'

/** A command is worth nothing after this, ms, unless it says so itself … */
const EXPIRES_AFTER = 60_000
/** … and no later than this, ms. */
const LONGEST = 24 * 3_600_000

/** `POST /devices/{id}/commands`: what people tell devices to do. */
export function commands(api: Api, { devices, publisher, carriers, clock, commands }: HttpParts): void {
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
      const { command, args = {}, expires = clock.now() + EXPIRES_AFTER } = request.body
      if (expires <= clock.now() || expires > clock.now() + LONGEST)
        throw new Problem('bad_request', 'body/expires: must lie within the next 24 hours')
      const id = randomUUID()
      const carrier = carriers.find((one) => one.carries(device.id))
      const problem = carrier?.check(device.id, command, args) ?? null
      if (problem !== null) throw new Problem(problem.code, problem.detail)
      commands.sent(user.name, { id, device: device.id, command, expires })
      if (carrier === undefined) {
        const payload = JSON.stringify({ id, command, args, expires })
        await publisher.publish(`v1/${device.id}/commands`, payload, { qos: 1, retain: false })
      } else carrier.send(id, device.id, command, args)
      reply.code(202)
      return { id, command, expires }
    },
  )
}
