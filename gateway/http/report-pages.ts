import { join } from 'node:path'
import staticFiles from '@fastify/static'
import type { FastifyReply, FastifyRequest } from 'fastify'
import { PUBLIC } from './access.ts'
import type { Api } from './route.ts'

const FOLDER = join(import.meta.dirname, '../../dashboards/report')

/**
 * The pages for people: `/r/{code}` behind a printed QR code, and `/t/{ticket}`. The same files whatever the address
 * says: whether a code or a number is right, the API tells the page. What they need lies below `/report/`.
 */
export async function reportPages(api: Api): Promise<void> {
  await api.register(async (pages) => {
    pages.addHook('onRoute', (route) => {
      route.config = { ...route.config, access: PUBLIC }
      route.schema = { ...route.schema, hide: true }
    })
    await pages.register(staticFiles, {
      root: FOLDER,
      prefix: '/report/',
      wildcard: false,
      maxAge: 0,
    })
    // Ticket numbers and codes are in the address: no search engine may keep it.
    const page = (file: string) => (_request: FastifyRequest, reply: FastifyReply) =>
      reply.header('x-robots-tag', 'noindex').sendFile(file)
    pages.get('/r/:place', page('index.html'))
    pages.get('/t/:ticket', page('ticket.html'))
    pages.get('/t', page('ticket.html'))
  })
}
