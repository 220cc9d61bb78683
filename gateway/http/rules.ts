import { Type } from 'typebox'
import { parseDocument } from 'yaml'
import { checkRules, type Problem as Mistake } from '../../rules/check.ts'
import type { Rule } from '../model/rule.ts'
import { DISTRICT, READERS } from './access.ts'
import { Page } from './paging.ts'
import type { HttpParts } from './parts.ts'
import { Problem } from './problem.ts'
import type { Api } from './route.ts'
import { Nullable } from './shapes.ts'

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
  ),
})

/** The rules that readings are judged by, and a check for rules that are being written. */
export function rules(api: Api, { rules, kinds }: HttpParts): void {
  const tags = ['judging']
  api.get(
    '/api/v1/rules',
    { config: { access: READERS }, schema: { tags, summary: 'Rules', response: { 200: Page(RuleShape) } } },
    () => ({ items: [...rules] }),
  )
  api.get(
    '/api/v1/rules/:id',
    {
      config: { access: READERS },
      schema: {
        tags,
        summary: 'One rule',
        params: Type.Object({ id: Type.String({ maxLength: 64 }) }),
        response: { 200: RuleShape },
      },
    },
    (request) => {
      const rule = rules.find((known) => known.id === request.params.id)
      if (rule === undefined) throw new Problem('not_found')
      return rule
    },
  )
  api.post(
    '/api/v1/rules/check',
    {
      config: { access: DISTRICT },
      schema: {
        tags,
        summary: 'Check rules without loading them',
        body: Draft,
        response: { 200: Checked },
      },
    },
    ({ body }) => {
      const draft = 'yaml' in body ? fromYaml(body.yaml) : { content: body }
      if ('problem' in draft) return report([], [draft.problem])
      const checked = checkRules([{ file: 'body', content: draft.content }], kinds)
      return report(checked.rules, checked.problems)
    },
  )
}

function report(good: readonly Rule[], problems: readonly Omit<Mistake, 'file'>[]) {
  return {
    valid: problems.length === 0,
    rules: good.map((rule) => rule.id),
    problems: problems.map(({ rule, path, message }) => ({ rule, path, message })),
  }
}

function fromYaml(text: string): { content: unknown } | { problem: Omit<Mistake, 'file'> } {
  const document = parseDocument(text, { uniqueKeys: true })
  const mistake = (message: string) => ({
    problem: { rule: null, path: '', message: `is not YAML: ${message.split('\n')[0]}` },
  })
  if (document.errors.length > 0) return mistake(document.errors[0]!.message)
  try {
    // A few aliases of aliases are gigabytes once written out.
    return { content: document.toJS({ maxAliasCount: 100 }) }
  } catch (error) {
    return mistake((error as Error).message)
  }
}
