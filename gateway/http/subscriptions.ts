import { Type } from 'typebox'
import type { Delivery } from '../dispatch/announce/deliveries.ts'
import { EVENTS } from '../dispatch/announce/notice.ts'
import { CHANNEL_TYPES, type Filter, type Subscription } from '../dispatch/announce/subscription.ts'
import { LANGUAGES } from '../dispatch/announce/wording.ts'
import type { User } from '../model/user.ts'
import type { Access } from './access.ts'
import { userOf } from './auth.ts'
import { Page, pageQuery, readCursor, writeCursor } from './paging.ts'
import type { HttpParts } from './parts.ts'
import { Problem } from './problem.ts'
import type { Api } from './route.ts'
import { Nullable, Severity } from './shapes.ts'

/** Those who answer for a street or more, each for its own. */
const OFFICES: Access = { roles: ['admin', 'district', 'street'] }

/** There are a hundred for all: no street takes them from the others. */
const OF_A_STREET = 20

const strict = { additionalProperties: false } as const
const Id = Type.Object({ id: Type.String({ maxLength: 64 }) })
const Names = (description: string) =>
  Type.Optional(Type.Array(Type.String({ maxLength: 64 }), { minItems: 1, maxItems: 200, description }))

const FilterSchema = Type.Object(
  {
    streets: Names('only cases of these streets'),
    teams: Names('only cases that one of these teams answers for, works on or was called to'),
    categories: Names('only cases of these categories'),
    minSeverity: Type.Optional(Severity),
    events: Type.Optional(Type.Array(Type.Enum(EVENTS), { minItems: 1, maxItems: EVENTS.length })),
  },
  { ...strict, description: 'what is absent leaves nothing out' },
)
const Url = Type.String({
  minLength: 1,
  maxLength: 2048,
  description: 'where to post; shown with its tokens hidden',
})
const Secret = Type.String({
  minLength: 1,
  maxLength: 256,
  description: 'for the signature; never shown again',
})
const Rate = Type.Integer({
  minimum: 1,
  maximum: 1000,
  description: 'posts a minute; beyond it they are merged',
})
const Language = Type.Enum(LANGUAGES, { default: 'zh' })

const SubscriptionShape = Type.Object({
  id: Type.String(),
  type: Type.Enum(CHANNEL_TYPES),
  url: Type.String({ description: 'tokens in it are hidden' }),
  hasSecret: Type.Boolean(),
  language: Type.Enum(LANGUAGES),
  filter: FilterSchema,
  rate: Nullable(Type.Integer()),
  createdBy: Type.String(),
  createdAt: Type.Integer({ description: 'epoch ms' }),
  deliveries: Type.Object(
    { open: Type.Integer(), sent: Type.Integer(), dead: Type.Integer() },
    { description: 'of those that are kept' },
  ),
})

const DeliveryShape = Type.Object({
  id: Type.Integer(),
  subscription: Type.String(),
  announcement: Type.String({ description: 'the same however often it is sent' }),
  state: Type.Enum(['open', 'sent', 'dead'] as const),
  attempts: Type.Integer({ description: 'that failed' }),
  count: Type.Integer({ description: 'events in it' }),
  events: Type.Array(Type.Object({ event: Type.Enum(EVENTS), case: Type.String() }), {
    description: 'of merged ones the first few',
  }),
  madeAt: Type.Integer(),
  triedAt: Nullable(Type.Integer()),
  nextAt: Nullable(Type.Integer({ description: 'when it is tried next, if it is' })),
  detail: Nullable(Type.String({ description: 'what the receiver said last, or why it could not be asked' })),
})

/** Who outside is told of cases: chat robots and other programs. */
export function subscriptions(api: Api, { announcer, audit }: HttpParts): void {
  const tags = ['subscriptions']

  const visible = (user: User) => announcer.all().filter((known) => isWithin(user, known.filter))
  const ownOf = (user: User, id: string): Subscription => {
    const found = announcer.get(id)
    if (found === undefined || !isWithin(user, found.filter)) throw new Problem('not_found')
    return found
  }
  const shapeOf = (found: Subscription) => ({
    id: found.id,
    type: found.type,
    url: announcer.maskedUrl(found),
    hasSecret: found.secret !== null,
    language: found.language,
    filter: changeable(found.filter),
    rate: found.rate,
    createdBy: found.createdBy,
    createdAt: found.createdAt,
    deliveries: announcer.standing(found.id),
  })
  const pageOf = (
    list: string,
    ids: readonly string[],
    dead: boolean,
    query: { limit?: number; cursor?: string },
  ) => {
    const { limit = 100, cursor } = query
    const before = cursor === undefined ? undefined : readCursor(list, cursor, ['number'])[0]
    const found = announcer.deliveries({ subscriptions: ids, dead }, limit + 1, before)
    const items = found.slice(0, limit).map(deliveryShape)
    const last = items.at(-1)
    if (found.length <= limit || last === undefined) return { items }
    return { items, cursor: writeCursor(list, [last.id]) }
  }

  api.get(
    '/api/v1/subscriptions',
    {
      config: { access: OFFICES },
      schema: {
        tags,
        summary: 'Who is told of cases',
        description: 'A street sees those that are about nothing but its own cases.',
        response: { 200: Page(SubscriptionShape) },
      },
    },
    (request) => ({ items: visible(userOf(request).user).map(shapeOf) }),
  )
  api.post(
    '/api/v1/subscriptions',
    {
      config: { access: OFFICES },
      schema: {
        tags,
        summary: 'Have somebody told of cases',
        description:
          'A group robot of WeCom, DingTalk or Feishu, or any program that takes a webhook (CloudEvents, signed). ' +
          "A street's are about its own cases. A webhook without a `secret` is given one, shown this once.",
        body: Type.Object(
          {
            type: Type.Enum(CHANNEL_TYPES),
            url: Url,
            secret: Type.Optional(Secret),
            language: Type.Optional(Language),
            filter: Type.Optional(FilterSchema),
            rate: Type.Optional(Rate),
          },
          strict,
        ),
        response: {
          201: Type.Intersect([SubscriptionShape, Type.Object({ secret: Type.Optional(Type.String()) })]),
        },
      },
    },
    (request, reply) => {
      const { user } = userOf(request)
      const filter = withinScope(user, request.body.filter ?? {})
      if (user.role === 'street' && visible(user).length >= OF_A_STREET)
        throw new Problem('overloaded', `a street has ${OF_A_STREET} subscriptions at most`)
      const { subscription, madeSecret } = announcer.create({ ...request.body, filter }, user.name, (made) =>
        audit.note(user.name, 'subscription.create', made.id, `${made.type} ${announcer.maskedUrl(made)}`),
      )
      reply.code(201)
      return { ...shapeOf(subscription), ...(madeSecret !== null && { secret: madeSecret }) }
    },
  )
  api.patch(
    '/api/v1/subscriptions/:id',
    {
      config: { access: OFFICES },
      schema: {
        tags,
        summary: 'Change a subscription',
        description: 'What is not named stays; `filter` is replaced as a whole. What waits is tried at once.',
        params: Id,
        body: Type.Object(
          {
            url: Type.Optional(Url),
            secret: Type.Optional(Nullable(Secret)),
            language: Type.Optional(Language),
            filter: Type.Optional(FilterSchema),
            rate: Type.Optional(Nullable(Rate)),
          },
          strict,
        ),
        response: { 200: SubscriptionShape },
      },
    },
    (request) => {
      const { user } = userOf(request)
      const { id } = ownOf(user, request.params.id)
      const { filter, ...rest } = request.body
      const wish = { ...rest, ...(filter !== undefined && { filter: withinScope(user, filter) }) }
      const changed = announcer.change(id, wish, () =>
        audit.note(user.name, 'subscription.change', id, Object.keys(wish).join(', ')),
      )
      return shapeOf(changed)
    },
  )
  api.delete(
    '/api/v1/subscriptions/:id',
    {
      config: { access: OFFICES },
      schema: {
        tags,
        summary: 'Tell somebody no more',
        description: 'What was still to be told goes with it.',
        params: Id,
        response: { 204: Type.Null() },
      },
    },
    (request, reply) => {
      const { user } = userOf(request)
      const found = ownOf(user, request.params.id)
      announcer.remove(found.id, () =>
        audit.note(user.name, 'subscription.remove', found.id, `${found.type} ${announcer.maskedUrl(found)}`),
      )
      reply.code(204)
      return null
    },
  )
  api.post(
    '/api/v1/subscriptions/:id/test',
    {
      config: { access: OFFICES },
      schema: {
        tags,
        summary: 'Send a test message',
        description: 'Answers what became of it; 503 while the receiver takes no more messages.',
        params: Id,
        response: {
          200: Type.Object({ delivered: Type.Boolean(), detail: Nullable(Type.String()) }),
        },
      },
    },
    async (request) => {
      const { user } = userOf(request)
      const { id } = ownOf(user, request.params.id)
      audit.note(user.name, 'subscription.test', id)
      const detail = await announcer.test(id)
      return { delivered: detail === null, detail }
    },
  )
  api.get(
    '/api/v1/subscriptions/:id/deliveries',
    {
      config: { access: OFFICES },
      schema: {
        tags,
        summary: 'What was sent and what is waiting, newest first',
        params: Id,
        querystring: Type.Object(pageQuery(100, 1000)),
        response: { 200: Page(DeliveryShape) },
      },
    },
    (request) => {
      const { id } = ownOf(userOf(request).user, request.params.id)
      return pageOf('deliveries', [id], false, request.query)
    },
  )
  api.get(
    '/api/v1/subscriptions/dead-letters',
    {
      config: { access: OFFICES },
      schema: {
        tags,
        summary: 'What could not be delivered, newest first',
        querystring: Type.Object(pageQuery(100, 1000)),
        response: { 200: Page(DeliveryShape) },
      },
    },
    (request) => {
      const ids = visible(userOf(request).user).map(({ id }) => id)
      return pageOf('dead-letters', ids, true, request.query)
    },
  )
  api.post(
    '/api/v1/subscriptions/dead-letters/:id/retry',
    {
      config: { access: OFFICES },
      schema: {
        tags,
        summary: 'Send a dead letter once more',
        params: Type.Object({ id: Type.Integer({ minimum: 1 }) }),
        response: { 202: DeliveryShape },
      },
    },
    (request, reply) => {
      const { user } = userOf(request)
      const { id: number } = request.params
      const letter = announcer.delivery(number)
      if (letter?.state !== 'dead') throw new Problem('not_found')
      ownOf(user, letter.subscription)
      announcer.retry(number, () =>
        audit.note(user.name, 'subscription.retry', letter.subscription, letter.announcement.id),
      )
      reply.code(202)
      return deliveryShape(announcer.delivery(number)!)
    },
  )
}

function deliveryShape(delivery: Delivery) {
  const { number, subscription, announcement, state, attempts, madeAt, triedAt, nextAt, detail } = delivery
  return {
    id: number,
    subscription,
    announcement: announcement.id,
    state,
    attempts,
    count: announcement.count,
    events: announcement.notices.map(({ event, case: { id } }) => ({ event, case: id })),
    madeAt,
    triedAt,
    nextAt: state === 'open' ? nextAt : null,
    detail,
  }
}

/** A street has what is about its own cases and no others. */
function isWithin({ role, street }: User, { streets }: Filter): boolean {
  if (role !== 'street') return true
  return street !== null && streets !== undefined && streets.every((id) => id === street)
}

/** The filter as the user may ask for it: a street that names none means its own. */
function withinScope(user: User, filter: Filter): Filter {
  if (user.role !== 'street' || user.street === null) return filter
  const own = { ...filter, streets: filter.streets ?? [user.street] }
  if (!isWithin(user, own)) throw new Problem('forbidden', 'a street is told of its own cases only')
  return own
}

/** The same, as the schema's types want it. */
function changeable({ streets, teams, categories, events, ...rest }: Filter) {
  return {
    ...rest,
    ...(streets && { streets: [...streets] }),
    ...(teams && { teams: [...teams] }),
    ...(categories && { categories: [...categories] }),
    ...(events && { events: [...events] }),
  }
}
