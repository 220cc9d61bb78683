import type { Access } from './access.ts'
import type { Api } from './route.ts'

export interface Route {
  readonly method: string
  /** The pattern: `/api/v1/devices/:id`. */
  readonly url: string
  readonly access: Access | undefined
}

/** Every route of the server, those of plugins too, as they are when it is ready. */
export class RouteTable {
  #routes: Route[] = []

  /** Before any route is added. */
  watch(api: Api): void {
    api.addHook('onRoute', (route) => {
      // Once all hooks of inner scopes have run, which may declare the access of a plugin's own routes.
      queueMicrotask(() => {
        for (const method of [route.method].flat())
          this.#routes.push({ method, url: route.url, access: route.config?.access })
      })
    })
  }

  all(): readonly Route[] {
    return this.#routes
  }

  /** Methods of the routes that a path fits. */
  methodsAt(path: string): string[] {
    const steps = path.split('/')
    return this.#routes.filter((route) => fits(route.url.split('/'), steps)).map((route) => route.method)
  }
}

function fits(pattern: readonly string[], path: readonly string[]): boolean {
  return (
    pattern.length === path.length && pattern.every((step, i) => step.startsWith(':') || step === path[i])
  )
}
