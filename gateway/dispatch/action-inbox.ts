import type { Log } from '../log.ts'
import type { Publisher } from '../model/pipeline.ts'
import type { User } from '../model/user.ts'
import { checkMessage, type ActionMessage, type ActionOutcome } from './actions.ts'
import type { Queue } from './queue.ts'
import { actionsOf } from './rights.ts'

/** A payload beyond this, in bytes, is not read. */
const PAYLOAD_LIMIT = 65_536

/**
 * Actions that teams publish to `dispatch/{team}/actions` (contract §2). The contract is silent on answers;
 * each goes to `dispatch/{team}/results`, QoS 1:
 * `{case, actionId, actor, ok: true, state, version, allowed, may}`, as in the case itself, or
 * `{case, actionId, actor, ok: false, code, error, field?, state?, version?, allowed?, by?, at?, team?}`, where `allowed` is what
 * the sender may do instead and `by`, `at`, `team` tell who was quicker, with `code` one of `bad_json`,
 * `too_large`, `invalid`, `not_found`, `forbidden`, `conflict`, `unavailable`. `case` and `actionId` are null
 * where the message was too broken to tell. Everybody of the team hears it: `actor` is the user whose action it was.
 */
export class ActionInbox {
  readonly #queue: Queue
  readonly #publisher: Publisher
  readonly #log: Log

  constructor(queue: Queue, publisher: Publisher, log: Log) {
    this.#queue = queue
    this.#publisher = publisher
    this.#log = log
  }

  /** Resolves when the answer is out; never rejects. The broker lets only a team's users publish here. */
  async take(user: User, payload: Uint8Array): Promise<void> {
    const { team } = user
    if (team === null) return
    const answer = { actor: user.name, ...this.#answer(user, payload) }
    try {
      await this.#publisher.publish(`dispatch/${team}/results`, JSON.stringify(answer), {
        qos: 1,
        retain: false,
      })
    } catch (error) {
      this.#log.warn({ err: error, team }, 'the answer to an action could not be sent')
    }
  }

  #act(
    caseId: string,
    user: User,
    action: ActionMessage['action'],
    request: Omit<ActionMessage, 'case' | 'action'>,
  ): ActionOutcome {
    if (action !== 'report_in' && action !== 'done')
      return this.#queue.act(caseId, user, { action, ...request })
    const { note, position, files, actionId, ...others } = request
    const field = Object.keys(others)[0]
    if (field !== undefined) return { type: 'invalid', field, message: `does not go with ${action}` }
    return this.#queue.whistles.act(caseId, user.team!, action, user, {
      ...(note !== undefined && { note }),
      ...(position !== undefined && { position }),
      ...(files !== undefined && { files }),
      ...(actionId !== undefined && { actionId }),
    })
  }

  #answer(user: User, payload: Uint8Array): Record<string, unknown> {
    const nothing = { case: null, actionId: null, ok: false }
    if (payload.byteLength > PAYLOAD_LIMIT) {
      return { ...nothing, code: 'too_large', error: `at most ${PAYLOAD_LIMIT} bytes` }
    }
    let body: unknown
    try {
      body = JSON.parse(Buffer.from(payload).toString('utf8'))
    } catch {
      return { ...nothing, code: 'bad_json', error: 'not JSON' }
    }
    const checked = checkMessage(body)
    if (!('value' in checked)) {
      return { ...nothing, code: 'invalid', field: checked.field, error: checked.message }
    }
    const { case: caseId, action, ...request } = checked.value
    const about = { case: caseId, actionId: request.actionId ?? null }
    try {
      return { ...about, ...told(this.#act(caseId, user, action, request), user) }
    } catch (error) {
      this.#log.error({ err: error, case: caseId }, 'an action could not be stored')
      return { ...about, ok: false, code: 'unavailable', error: 'could not be stored, send it again' }
    }
  }
}

function told(outcome: ActionOutcome, user: User): Record<string, unknown> {
  if (outcome.type === 'ok') {
    const { state, version, allowed } = outcome.case
    return { ok: true, state, version, allowed, may: actionsOf(user, outcome.case) }
  }
  if (outcome.type === 'not_found') return { ok: false, code: 'not_found', error: 'no such case of yours' }
  if (outcome.type !== 'conflict') {
    const { type: code, message: error, ...more } = outcome
    return { ok: false, code, error, ...more }
  }
  const { type: code, message: error, doer, ...more } = outcome
  return { ok: false, code, error, ...more, ...doer }
}
