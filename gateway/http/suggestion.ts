import { Type } from 'typebox'
import { LEAST_CASES, NoSuggestion, suggest, type Outcome } from '../../rules/suggest.ts'
import { wilson } from '../dispatch/precision.ts'
import type { Rule } from '../model/rule.ts'
import { OVERVIEW } from './access.ts'
import type { HttpParts } from './parts.ts'
import { Problem } from './problem.ts'
import type { Api } from './route.ts'

const OutcomeShape = Type.Object({
  limit: Type.Number(),
  confirmed: Type.Integer({ description: 'cases that it would have raised and that were right' }),
  false: Type.Integer({ description: 'and those that were not' }),
  precision: Type.Number(),
  interval: Type.Array(Type.Number(), { minItems: 2, maxItems: 2, description: '95 % (Wilson)' }),
})

const SuggestionShape = Type.Object({
  path: Type.String({ description: 'where the limit stands in the rule' }),
  metric: Type.String(),
  present: OutcomeShape,
  proposed: OutcomeShape,
  draft: Type.Unsafe<Rule>({ type: 'object', description: 'the rule with the proposed limit; not in force' }),
})

/** `GET /rules/{id}/suggestion`: what crews found, turned into a limit. Nothing activates by itself. */
export function suggestion(api: Api, { ruleBook, precisions }: HttpParts): void {
  api.get(
    '/api/v1/rules/:id/suggestion',
    {
      config: { access: OVERVIEW },
      schema: {
        tags: ['judging'],
        summary: 'A limit that separates confirmed cases from false ones better',
        description:
          'The limit on the peak that keeps the greatest share of the confirmed cases less the share of the false ones. ' +
          'Only stricter than the present one, for of what was never raised nobody knows whether it was right. Answers ' +
          `409 with \`no_suggestion\` where there is none, or fewer than ${LEAST_CASES} cases of each sort. Changes nothing.`,
        params: Type.Object({ id: Type.String({ maxLength: 64 }) }),
        response: { 200: SuggestionShape },
      },
    },
    (request) => {
      const rule = ruleBook.get(request.params.id)
      if (rule === undefined) throw new Problem('not_found')
      try {
        const { present, proposed, ...found } = suggest(rule, precisions.verdicts(rule.id))
        return { ...found, present: rated(present), proposed: rated(proposed) }
      } catch (error) {
        if (error instanceof NoSuggestion) throw new Problem('no_suggestion', error.message)
        throw error
      }
    },
  )
}

function rated(outcome: Outcome) {
  const raised = outcome.confirmed + outcome.false
  return {
    ...outcome,
    precision: outcome.confirmed / raised,
    interval: [...wilson(outcome.confirmed, raised)],
  }
}
