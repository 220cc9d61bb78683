import { Type } from 'typebox'
import { CHECKSUMS } from '../../adapters/hj212/crc.ts'
import type { Stranger } from '../../adapters/hj212/strangers.ts'
import { OVERVIEW } from './access.ts'
import { Page } from './paging.ts'
import type { HttpParts } from './parts.ts'
import type { Api } from './route.ts'
import { Nullable } from './shapes.ts'

const Unheard = Type.Unsafe<Stranger>(
  Type.Object({
    mn: Type.String({ description: 'as it names itself' }),
    trouble: Type.Enum(['unknown_mn', 'wrong_crc', 'wrong_pw']),
    firstSeen: Type.Integer(),
    lastSeen: Type.Integer(),
    frames: Type.Integer({ description: 'since the first one' }),
    address: Type.String(),
    st: Nullable(Type.String({ description: 'system type' })),
    factors: Type.Array(Type.String({ description: 'codes that it has sent' })),
    suggestion: Type.Object({
      kind: Nullable(Type.String()),
      profile: Nullable(Type.String()),
      crc: Type.Enum(CHECKSUMS),
    }),
  }),
)

/** HJ 212 senders that an operator should register or put right. */
export function hj212(api: Api, { strangers }: HttpParts): void {
  api.get(
    '/api/v1/hj212/unknown',
    {
      config: { access: OVERVIEW },
      schema: {
        tags: ['devices'],
        summary: 'HJ 212 senders that are not heard, newest first',
        description:
          'Their frames are right by some checksum, but their MN is not registered (their data is in the quarantine, ' +
          'and can be retried once it is), or the device is bound with another checksum or password. At most 1,000, ' +
          'since the start of the gateway. To register one, `POST /devices` with ' +
          '`"protocols":{"hj212":{"mn","profile","crc"}}` as suggested.',
        response: { 200: Page(Unheard) },
      },
    },
    () => ({ items: [...strangers()] }),
  )
}
