import { Ajv, type ErrorObject, type ValidateFunction } from 'ajv'
import { Type, type Static } from 'typebox'
import {
  ACTIONS,
  CLOSE_CODES,
  type Action,
  type Case,
  type CaseState,
  type CloseCode,
} from '../model/case.ts'
import { PositionSchema } from '../model/device.ts'
import { IDENTIFIER_PATTERN } from '../model/identifier.ts'

const Identifier = Type.String({ pattern: IDENTIFIER_PATTERN })

/** Characters that strangers are told with a step. */
export const PUBLIC_NOTE_LIMIT = 500

/** What is asked of a case: the body of `POST /cases/{id}/actions`, and with `case` the payload of `dispatch/{team}/actions`. */
const properties = {
  action: Type.Unsafe<Action>({ type: 'string', enum: [...ACTIONS] }),
  actionId: Type.Optional(
    Type.String({
      minLength: 1,
      maxLength: 64,
      description: "the sender's own id: the same one sent again by the same actor counts once",
    }),
  ),
  note: Type.Optional(Type.String({ maxLength: 2000, description: 'required to `return`: the reason' })),
  publicNote: Type.Optional(
    Type.String({
      maxLength: PUBLIC_NOTE_LIMIT,
      description: 'what those who reported it are told with this step',
    }),
  ),
  position: Type.Optional({
    ...PositionSchema,
    description: 'WGS-84; where the actor is; required to `arrive`',
  }),
  files: Type.Optional(Type.Array(Identifier, { maxItems: 20, description: 'names of evidence files' })),
  code: Type.Optional(
    Type.Unsafe<CloseCode>({ type: 'string', enum: [...CLOSE_CODES], description: 'required to `close`' }),
  ),
  until: Type.Optional(
    Type.Integer({ description: 'required to `extend`: the new deadline of the running clock, epoch ms' }),
  ),
  team: Type.Optional(
    Type.String({
      pattern: IDENTIFIER_PATTERN,
      description: 'for `assign`: who gets it; whoever answers for it now when absent',
    }),
  ),
  expectedVersion: Type.Optional(
    Type.Integer({ minimum: 1, description: 'refuses the action when the case has changed since' }),
  ),
}

export const ActionRequestSchema = Type.Object(properties, { additionalProperties: false })
export type ActionRequest = Static<typeof ActionRequestSchema>

export const ActionMessageSchema = Type.Object(
  {
    case: Type.String({ minLength: 1, maxLength: 128 }),
    ...properties,
    // A department's answer to a whistle comes the same way.
    action: Type.Unsafe<Action | 'report_in' | 'done'>({
      type: 'string',
      enum: [...ACTIONS, 'report_in', 'done'],
    }),
  },
  { additionalProperties: false },
)
export type ActionMessage = Static<typeof ActionMessageSchema>

/** Who brought a case to where it is, when (epoch ms), and the team that has it since. */
export interface Doer {
  readonly by: string
  readonly at: number
  readonly team: string
}

/** What became of an action. */
export type ActionOutcome =
  | { readonly type: 'ok'; readonly case: Case }
  /** No such case, or none of the user's: the two look the same. */
  | { readonly type: 'not_found' }
  | { readonly type: 'forbidden'; readonly message: string }
  /** Wrong for the state, or meant for an older version; `allowed` is what this user may do now. */
  | {
      readonly type: 'conflict'
      readonly message: string
      readonly state: CaseState
      readonly version: number
      readonly allowed: readonly Action[]
      readonly doer?: Doer
    }
  | { readonly type: 'invalid'; readonly field: string; readonly message: string }

export type Checked<T> = { readonly value: T } | { readonly field: string; readonly message: string }

// JSON's 1e999 is Infinity in JavaScript: no number of ours.
const ajv = new Ajv({ strict: false, strictNumbers: true })
const validateRequest = ajv.compile<ActionRequest>(ActionRequestSchema)
const validateMessage = ajv.compile<ActionMessage>(ActionMessageSchema)

export function checkRequest(body: unknown): Checked<ActionRequest> {
  return checked(validateRequest, body)
}

export function checkMessage(body: unknown): Checked<ActionMessage> {
  return checked(validateMessage, body)
}

function checked<T>(validate: ValidateFunction<T>, body: unknown): Checked<T> {
  return validate(body) ? { value: body } : explain(validate.errors![0]!)
}

function explain(error: ErrorObject): { field: string; message: string } {
  const key = error.params['missingProperty'] ?? error.params['additionalProperty']
  const field = typeof key === 'string' ? key : (error.instancePath.split('/')[1] ?? '')
  const options = error.params['allowedValues']
  const message = Array.isArray(options) ? `must be one of ${options.join(', ')}` : error.message
  return { field: field.slice(0, 64), message: message ?? 'is not valid' }
}
