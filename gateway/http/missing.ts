import { Problem } from './problem.ts'
import type { RouteTable } from './route-table.ts'
import type { Api } from './route.ts'

/** 404 where there is nothing, and 405 with `Allow` where another method would have found something. */
export function answerMissing(api: Api, routes: RouteTable): void {
  api.setNotFoundHandler((request, reply) => {
    const allowed = routes.methodsAt(request.url.split('?', 1)[0]!).join(', ')
    if (allowed === '') throw new Problem('not_found')
    reply.header('allow', allowed)
    throw new Problem('method_not_allowed', `it takes ${allowed}`)
  })
}
