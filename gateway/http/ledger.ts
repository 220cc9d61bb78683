import { Type } from 'typebox'
import { READERS } from './access.ts'
import type { HttpParts } from './parts.ts'
import type { Api } from './route.ts'

const LedgerShape = Type.Object({
  received: Type.Integer(),
  accepted: Type.Integer({ description: 'in the journal, fsynced' }),
  duplicates: Type.Integer(),
  quarantined: Type.Integer(),
  stored: Type.Integer({ description: 'in the historian' }),
  pending: Type.Integer({ description: 'in the journal, on the way to the historian' }),
  late: Type.Integer({ description: 'accepted, but too late to be judged' }),
})

/** What came in and what became of it: received = accepted + duplicates + quarantined, accepted = stored + pending. */
export function ledger(api: Api, { journal, judge }: HttpParts): void {
  api.get(
    '/api/v1/ledger',
    {
      config: { access: READERS },
      schema: { tags: ['readings'], summary: 'Counts that always add up', response: { 200: LedgerShape } },
    },
    () => ({ ...journal.ledger(), late: judge.late() }),
  )
}
