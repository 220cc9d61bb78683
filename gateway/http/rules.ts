import { Type } from 'typebox'
import { categoriesOf } from '../../rules/categories.ts'
import { areasOf } from '../district/district.ts'
import { checkRules, type Problem as Mistake } from '../../rules/check.ts'
import { parseRuleText } from '../../rules/rule-text.ts'
import type { Rule } from '../model/rule.ts'
import { MOST_RULES, RuleRefused, type RuleBook } from '../rule-book/rule-book.ts'
import { DISTRICT, READERS } from './access.ts'
import { userOf } from './auth.ts'
import { Page, pageQuery, readCursor, writeCursor } from './paging.ts'
import type { HttpParts } from './parts.ts'
import { Problem } from './problem.ts'
import type { Api } from './route.ts'
import { Nullable } from './shapes.ts'
import { Turns } from './turns.ts'

/** Bytes of a rule: far more than anybody writes by hand. */
const RULE_LIMIT = 64 * 1024
/** Tokens of YAML in a body: some sixty rules. */
const MOST_TOKENS = 10_000
/** Mistakes in one answer. */
const MOST_MISTAKES = 100

const RuleShape = Type.Unsafe<Rule>({
  type: 'object',
  description: 'in the rule language, as in a rule file',
  required: ['id', 'version', 'kind', 'title', 'basis', 'severity'],
})

/** What is to be checked: rules as JSON, or a rule file as it is. */
const Draft = Type.Union([
  Type.Object({ rules: Type.Array(Type.Unknown(), { maxItems: 1000 }) }, { additionalProperties: false }),
  Type.Object({ yaml: Type.String({ maxLength: 200_000 }) }, { additionalProperties: false }),
])

const Checked = Type.Object({
  valid: Type.Boolean(),
  rules: Type.Array(Type.String(), { description: 'ids of those without a mistake' }),
  problems: Type.Array(
    Type.Object({
      rule: Nullable(Type.String({ description: 'its id, or its number in the list' })),
      path: Type.String({ description: 'such as severity.red.above' }),
      message: Type.String(),
    }),
    { description: `the first ${MOST_MISTAKES}` },
  ),
})

/** One rule: as JSON, or as a rule file with nothing else in it. What a rule must be, the rule book says. */
const OneRule = Type.Record(Type.String(), Type.Unknown(), {
  description:
    'the rule itself, or `{"yaml": "rules: …"}` with this one rule in it. Without a `version` it gets the next one; ' +
    'a version that the id has had cannot come again',
})

const RuleId = Type.Object({ id: Type.String({ maxLength: 64 }) })
const Note = { note: Type.Optional(Type.String({ maxLength: 500, description: 'for the audit' })) }
const Change = Type.Object({
  expectedVersion: Type.Optional(
    Type.Integer({ description: 'of the rule that you saw: 409 when there is another by now' }),
  ),
  ...Note,
})

const Story = Type.Object({
  origin: Type.Enum(['pack', 'book', 'removed'], {
    description: 'whose word counts: the packs’, what people made of it, or it is out of force',
  }),
  packVersion: Nullable(Type.Integer({ description: 'of the rule in the packs' })),
  items: Type.Array(
    Type.Object({
      at: Type.Integer({ description: 'epoch ms' }),
      actor: Type.String(),
      action: Type.Enum(['create', 'change', 'remove', 'reset']),
      note: Nullable(Type.String()),
      rule: Nullable(RuleShape),
    }),
  ),
  cursor: Type.Optional(Type.String()),
})

/** The rules that readings are judged by: to read, to check, and to change while they run. */
export function rules(api: Api, { ruleBook, kinds, district }: HttpParts): void {
  const areas = areasOf(district)
  const categories = categoriesOf(district)
  const tags = ['judging']
  // To check a rule, and to go over to it, takes tens of milliseconds.
  const turns = new Turns()
  const inTurn = { preHandler: () => turns.take() }
  api.get(
    '/api/v1/rules',
    {
      config: { access: READERS },
      schema: {
        tags,
        summary: 'Rules, by id',
        querystring: Type.Object({
          removed: Type.Optional(
            Type.Boolean({ description: 'those of the packs that were removed, not those in force' }),
          ),
          ...pageQuery(MOST_RULES, MOST_RULES),
        }),
        response: { 200: Page(RuleShape) },
      },
    },
    ({ query: { removed, limit = MOST_RULES, cursor } }) => {
      const after = cursor === undefined ? '' : readCursor('rules', cursor, ['string'])[0]
      const all = removed === true ? ruleBook.removed() : ruleBook.rules()
      const rest = all.filter(({ id }) => id > after).sort((a, b) => (a.id < b.id ? -1 : 1))
      const items = rest.slice(0, limit)
      if (items.length === rest.length) return { items }
      return { items, cursor: writeCursor('rules', [items.at(-1)!.id]) }
    },
  )
  api.get(
    '/api/v1/rules/:id',
    {
      config: { access: READERS },
      schema: { tags, summary: 'One rule', params: RuleId, response: { 200: RuleShape } },
    },
    (request) => {
      const rule = ruleBook.get(request.params.id)
      if (rule === undefined) throw new Problem('not_found')
      return rule
    },
  )
  api.get(
    '/api/v1/rules/:id/versions',
    {
      config: { access: READERS },
      schema: {
        tags,
        summary: 'Where a rule comes from and what people made of it, newest first',
        description: 'Also of a rule that is removed. The last 100 changes are kept.',
        params: RuleId,
        querystring: Type.Object(pageQuery(20, 100)),
        response: { 200: Story },
      },
    },
    (request) => storyOf(ruleBook, request.params.id, request.query),
  )
  api.post(
    '/api/v1/rules',
    {
      ...inTurn,
      config: { access: DISTRICT },
      bodyLimit: RULE_LIMIT,
      schema: {
        tags,
        summary: 'Make a rule',
        description: 'It judges from the next reading on. Refused as a whole when anything is wrong with it.',
        querystring: Type.Object(Note),
        body: OneRule,
        response: { 201: RuleShape },
      },
    },
    async (request, reply) => {
      const draft = draftOf(request.body)
      const by = { actor: userOf(request).user.name, note: request.query.note }
      const rule = await asked(ruleBook.create(draft, by))
      reply.code(201).header('location', `/api/v1/rules/${rule.id}`)
      return rule
    },
  )
  api.put(
    '/api/v1/rules/:id',
    {
      ...inTurn,
      config: { access: DISTRICT },
      bodyLimit: RULE_LIMIT,
      schema: {
        tags,
        summary: 'Change a rule',
        description:
          'Its running alarms and clocks go on under the new version. Wins over the pack that it came from until it is reset.',
        params: RuleId,
        querystring: Change,
        body: OneRule,
        response: { 200: RuleShape },
      },
    },
    (request) => {
      const draft = draftOf(request.body)
      const { expectedVersion, note } = request.query
      const by = { actor: userOf(request).user.name, note }
      return asked(ruleBook.change(request.params.id, draft, by, expectedVersion))
    },
  )
  api.delete(
    '/api/v1/rules/:id',
    {
      ...inTurn,
      config: { access: DISTRICT },
      schema: {
        tags,
        summary: 'Take a rule out of force',
        description:
          'Its alarms clear with the reason `rule_removed`. A rule of a pack stays out until it is reset.',
        params: RuleId,
        querystring: Change,
        response: { 204: Type.Null() },
      },
    },
    async (request, reply) => {
      const { expectedVersion, note } = request.query
      const by = { actor: userOf(request).user.name, note }
      await asked(ruleBook.remove(request.params.id, by, expectedVersion))
      reply.code(204)
      return null
    },
  )
  api.post(
    '/api/v1/rules/:id/reset',
    {
      ...inTurn,
      config: { access: DISTRICT },
      schema: {
        tags,
        summary: 'Go by the pack’s rule again',
        params: RuleId,
        querystring: Change,
        response: { 200: RuleShape },
      },
    },
    (request) => {
      const { expectedVersion, note } = request.query
      const by = { actor: userOf(request).user.name, note }
      return asked(ruleBook.reset(request.params.id, by, expectedVersion))
    },
  )
  api.post(
    '/api/v1/rules/check',
    {
      ...inTurn,
      config: { access: { ...DISTRICT, harmless: true } },
      schema: {
        tags,
        summary: 'Check rules without loading them',
        body: Draft,
        response: { 200: Checked },
      },
    },
    ({ body }) => {
      if (!('yaml' in body))
        return report(checkRules([{ file: 'body', content: body }], kinds, areas, categories))
      const parsed = parseRuleText(body.yaml, MOST_TOKENS)
      if ('mistake' in parsed)
        return report({ rules: [], problems: [{ rule: null, path: '', message: parsed.mistake }] })
      return report(checkRules([{ file: 'body', content: parsed.content }], kinds, areas, categories))
    },
  )
}

function storyOf(book: RuleBook, id: string, { limit = 20, cursor }: { limit?: number; cursor?: string }) {
  const origin = book.origin(id)
  if (origin === undefined) throw new Problem('not_found')
  const before = cursor === undefined ? undefined : readCursor('versions', cursor, ['number'])[0]
  const changes = book.changes(id, limit, before)
  const items = changes.map(({ at, actor, action, note, rule }) => ({ at, actor, action, note, rule }))
  const story = { origin, packVersion: book.pack(id)?.version ?? null, items }
  const last = changes.length < limit ? undefined : changes.at(-1)
  return last === undefined ? story : { ...story, cursor: writeCursor('versions', [last.number]) }
}

function draftOf(body: Record<string, unknown>): unknown {
  const { yaml } = body
  if (typeof yaml !== 'string' || Object.keys(body).length > 1) return body
  const parsed = parseRuleText(yaml, MOST_TOKENS)
  if ('mistake' in parsed) throw new Problem('bad_rule', `body/yaml: ${parsed.mistake}`)
  const { rules, areas } = (parsed.content ?? {}) as { rules?: unknown; areas?: object }
  if (!Array.isArray(rules) || rules.length !== 1)
    throw new Problem('bad_rule', 'body/yaml: expected "rules" with a list of one rule under it')
  const rule = rules[0] as { readonly areas?: object }
  // A rule goes without its file: what the file calls by name goes with it.
  return areas === undefined ? rule : { ...rule, areas: { ...areas, ...rule?.areas } }
}

/** The rule book's refusals in the words of HTTP. */
async function asked<T>(change: Promise<T>): Promise<T> {
  try {
    return await change
  } catch (error) {
    if (!(error instanceof RuleRefused)) throw error
    const code = error.code === 'exists' || error.code === 'full' ? 'conflict' : error.code
    const errors = error.problems.slice(0, MOST_MISTAKES).map((mistake) => ({
      where: [mistake.file, ...mistake.path.split('.')].filter((step) => step !== '').join('/'),
      what: mistake.file === 'body' ? mistake.message : `rule ${mistake.rule}: ${mistake.message}`,
    }))
    const first = errors[0]
    const detail = first === undefined ? error.message : `${first.where}: ${first.what}`
    throw new Problem(code, detail, first === undefined ? {} : { errors })
  }
}

function report(checked: { rules: readonly Rule[]; problems: readonly Omit<Mistake, 'file'>[] }) {
  return {
    valid: checked.problems.length === 0,
    rules: checked.rules.map((rule) => rule.id),
    problems: checked.problems
      .slice(0, MOST_MISTAKES)
      .map(({ rule, path, message }) => ({ rule, path, message })),
  }
}
