import { Type } from 'typebox'
import { DeviceSchema, type Device } from '../model/device.ts'
import { ADMIN, READERS } from './access.ts'
import { userOf } from './auth.ts'
import type { LiveReadings } from './live-readings.ts'
import { Page, pageQuery, readCursor, writeCursor } from './paging.ts'
import type { HttpParts } from './parts.ts'
import { Problem } from './problem.ts'
import type { Api } from './route.ts'
import type { Scope } from './scope.ts'
import { Nullable, ReadingShape } from './shapes.ts'

const DeviceId = Type.Object({ id: Type.String({ maxLength: 64 }) })
const Text = Type.Optional(Type.String({ maxLength: 64 }))

const DeviceShape = Type.Object({
  ...DeviceSchema.properties,
  presence: Nullable(Type.Object({ online: Type.Boolean(), at: Type.Integer() })),
  last: Nullable(ReadingShape),
})

/** Attributes that rules cannot read; absent when there are none. */
const Warnings = Type.Optional(Type.Array(Type.String()))

const Credential = Type.Object({ id: Type.String(), secret: Type.String() })

/** The registry of devices. What a device must be, the registry itself says. */
export function devices(api: Api, { devices, audit, judge }: HttpParts, live: LiveReadings): void {
  const tags = ['devices']
  const shown = (device: Device) => ({
    ...devices.shown(device),
    presence: devices.presence(device.id) ?? null,
    last: live.get(device.id) ?? null,
  })
  const warned = (id: string) => {
    const warnings = judge.unreadable(id)
    return warnings.length > 0 ? { warnings: [...warnings] } : {}
  }
  /** Outside of the caller's part of the district a device does not exist. */
  const find = (id: string, scope: Scope) => {
    const device = devices.get(id)
    if (device === undefined || !scope.sees(device))
      throw new Problem('not_found', `device "${id}" is not registered`)
    return device
  }

  api.get(
    '/api/v1/devices',
    {
      config: { access: READERS },
      schema: {
        tags,
        summary: 'Devices with their presence and newest reading, by id',
        querystring: Type.Object({ kind: Text, street: Text, site: Text, ...pageQuery(100, 1000) }),
        response: { 200: Page(DeviceShape) },
      },
    },
    (request) => {
      const { limit = 100, cursor, kind, street, site } = request.query
      const { scope } = userOf(request)
      const page = devices.list({
        limit,
        cursor: cursor === undefined ? undefined : readCursor('devices', cursor, ['string'])[0],
        may: (device) =>
          scope.sees(device) &&
          (kind ?? device.kind) === device.kind &&
          (street ?? device.street) === device.street &&
          (site ?? device.site) === device.site,
      })
      const items = page.items.map(shown)
      return page.cursor === undefined ? { items } : { items, cursor: writeCursor('devices', [page.cursor]) }
    },
  )
  api.post(
    '/api/v1/devices',
    {
      config: { access: ADMIN },
      schema: {
        tags,
        summary: 'Register a device',
        description:
          'The secret is made up unless one is given, and shown this once. `warnings` names attributes that rules ' +
          'compare with and cannot read.',
        body: Type.Object(
          { ...DeviceSchema.properties, secret: Type.Optional(Type.String({ maxLength: 256 })) },
          { additionalProperties: false },
        ),
        response: {
          201: Type.Object({ ...DeviceSchema.properties, secret: Type.String(), warnings: Warnings }),
        },
      },
    },
    async (request, reply) => {
      const { secret: chosen, ...device } = request.body
      const { secret } = await devices.create(device, chosen, () =>
        audit.note(userOf(request).user.name, 'device.create', device.id),
      )
      reply.code(201).header('location', `/api/v1/devices/${device.id}`)
      return { ...device, secret, ...warned(device.id) }
    },
  )
  api.get(
    '/api/v1/devices/:id',
    {
      config: { access: READERS },
      schema: { tags, summary: 'One device', params: DeviceId, response: { 200: DeviceShape } },
    },
    (request) => shown(find(request.params.id, userOf(request).scope)),
  )
  api.patch(
    '/api/v1/devices/:id',
    {
      config: { access: ADMIN },
      schema: {
        tags,
        summary: 'Change a device',
        description:
          'A merge patch (RFC 7396): what is given replaces what was there, null takes it away. Readings that ' +
          'are in keep the place they came from.',
        params: DeviceId,
        body: Type.Record(Type.String(), Type.Unknown()),
        response: { 200: Type.Object({ ...DeviceShape.properties, warnings: Warnings }) },
      },
    },
    (request) => {
      const { id } = find(request.params.id, userOf(request).scope)
      const keys = Object.keys(request.body).join(' ')
      const device = devices.patch(id, request.body, () =>
        audit.note(userOf(request).user.name, 'device.change', id, keys),
      )
      return { ...shown(device), ...warned(id) }
    },
  )
  api.delete(
    '/api/v1/devices/:id',
    {
      config: { access: ADMIN },
      schema: {
        tags,
        summary: 'Remove a device',
        description: 'Its readings stay in the historian; its next message is one of an unknown device.',
        params: DeviceId,
        response: { 204: Type.Null() },
      },
    },
    (request, reply) => {
      const { id } = find(request.params.id, userOf(request).scope)
      devices.remove(id, () => audit.note(userOf(request).user.name, 'device.remove', id))
      reply.code(204)
      return null
    },
  )
  api.post(
    '/api/v1/devices/:id/secret',
    {
      config: { access: ADMIN },
      schema: {
        tags,
        summary: 'Give a device a new secret',
        description: 'The old one opens nothing from here on. The new one is shown this once.',
        params: DeviceId,
        response: { 200: Credential },
      },
    },
    async (request) => {
      const { id } = find(request.params.id, userOf(request).scope)
      return await devices.rotateSecret(id, undefined, () =>
        audit.note(userOf(request).user.name, 'device.secret', id),
      )
    },
  )
}
