import { Type, type Static } from 'typebox'
import { PositionSchema } from '../model/device.ts'
import { DURATION_PATTERN } from '../model/duration.ts'
import { IDENTIFIER_PATTERN } from '../model/identifier.ts'

const Identifier = Type.String({ pattern: IDENTIFIER_PATTERN })
const Note = (description: string) =>
  Type.String({ minLength: 1, maxLength: 2000, pattern: '\\S', description })
const ActionId = Type.Optional(
  Type.String({
    minLength: 1,
    maxLength: 64,
    description: "the sender's own id: the same one sent again by the same actor counts once",
  }),
)

/** The body of `POST /cases/{id}/whistles`. */
export const BlowSchema = Type.Object(
  {
    departments: Type.Array(Identifier, { minItems: 1, maxItems: 20, uniqueItems: true }),
    note: Note('what they are called for'),
    reportIn: Type.Optional(
      Type.String({ pattern: DURATION_PATTERN, description: 'to report in, from now; 30 min when absent' }),
    ),
    resolve: Type.Optional(
      Type.String({ pattern: DURATION_PATTERN, description: 'to be done, from now; 4 h when absent' }),
    ),
    actionId: ActionId,
  },
  { additionalProperties: false },
)
export type BlowRequest = Static<typeof BlowSchema>

/** The body of `POST /cases/{id}/whistles/{department}/{report-in|done|withdraw}`. */
export const WhistleRequestSchema = Type.Object(
  {
    note: Type.Optional(Note('required for `done` (what was done) and `withdraw` (why)')),
    position: Type.Optional({ ...PositionSchema, description: 'WGS-84; required to report in' }),
    files: Type.Optional(Type.Array(Identifier, { maxItems: 20, description: 'names of evidence files' })),
    actionId: ActionId,
  },
  { additionalProperties: false },
)
export type WhistleRequest = Static<typeof WhistleRequestSchema>
