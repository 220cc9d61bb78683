import { join } from 'node:path'
import staticFiles from '@fastify/static'
import { PUBLIC } from './access.ts'
import type { Api } from './route.ts'

const FOLDER = join(import.meta.dirname, '../../dashboards/console')

/**
 * The live page at `/`. Its files are public, what it shows is not. Each file becomes a route at the start,
 * so no address can reach any other file. Browsers ask each time whether a
 * file has changed: pages and API come from the same version.
 */
export async function serveConsole(api: Api): Promise<void> {
  await api.register(async (pages) => {
    pages.addHook('onRoute', (route) => {
      route.config = { ...route.config, access: PUBLIC }
      route.schema = { ...route.schema, hide: true }
    })
    await pages.register(staticFiles, { root: FOLDER, wildcard: false, maxAge: 0 })
  })
}
