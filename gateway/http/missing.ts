import { Problem } from './problem.ts'
import type { Api } from './route.ts'

/** 404 where there is nothing, and 405 with `Allow` where another method would have found something. */
export function answerMissing(api: Api): void {
  const methods = new Map<string, Set<string>>()
  api.addHook('onRoute', ({ url, method }) => {
    const known = methods.get(url) ?? new Set()
    for (const name of [method].flat()) known.add(name)
    methods.set(url, known)
  })
  api.setNotFoundHandler((request, reply) => {
    const path = request.url.split('?', 1)[0]!.split('/')
    const allowed = [...methods].find(([pattern]) => matches(pattern.split('/'), path))?.[1]
    if (allowed === undefined) throw new Problem('not_found')
    reply.header('allow', [...allowed].join(', '))
    throw new Problem('method_not_allowed', `it takes ${[...allowed].join(', ')}`)
  })
}

function matches(pattern: readonly string[], path: readonly string[]): boolean {
  return (
    pattern.length === path.length && pattern.every((step, i) => step.startsWith(':') || step === path[i])
  )
}
