import { Type } from 'typebox'
import { PUBLIC, READERS } from './access.ts'
import type { HttpParts } from './parts.ts'
import type { Metrics } from './metrics.ts'
import type { Api } from './route.ts'

/**
 * Their state is shown, but what is on the other side is not ours: the journal holds the readings until the store is
 * back, a broker upstream until the gateway is, and a station that is away is away. A gateway that an orchestrator
 * takes out of service for one of them would lose what its devices send meanwhile.
 */
const SPARED: ReadonlySet<string> = new Set(['historian', 'upstream', 'opcua'])

const Readiness = Type.Object({
  ready: Type.Boolean(),
  parts: Type.Record(Type.String(), Type.Object({ ready: Type.Boolean(), detail: Type.String() })),
})

/** For orchestrators and monitoring; at the root, where they look, and below `/api/v1` like the rest. */
export function health(api: Api, { health }: HttpParts): void {
  for (const prefix of ['', '/api/v1']) {
    const hide = prefix === ''
    api.get(
      `${prefix}/healthz`,
      {
        config: { access: PUBLIC, rateLimit: false },
        schema: {
          hide,
          tags: ['gateway'],
          summary: 'Liveness: the process answers',
          response: { 200: Type.Object({ alive: Type.Literal(true) }) },
        },
      },
      () => ({ alive: true }) as const,
    )
    api.get(
      `${prefix}/readyz`,
      {
        config: { access: PUBLIC, rateLimit: false },
        schema: {
          hide,
          tags: ['gateway'],
          summary: 'Readiness, with the state of each part; 503 when readings cannot be taken in or judged',
          response: { 200: Readiness, 503: Readiness },
        },
      },
      (_request, reply) => {
        const parts = Object.fromEntries(Object.entries(health).map(([name, ask]) => [name, ask()]))
        const ready = Object.entries(parts).every(([name, part]) => part.ready || SPARED.has(name))
        reply.code(ready ? 200 : 503)
        return { ready, parts }
      },
    )
  }
}

export function metricsPage(api: Api, metrics: Metrics): void {
  for (const prefix of ['', '/api/v1']) {
    api.get(
      `${prefix}/metrics`,
      {
        // Numbers only, no names of devices or people: processes of this machine need no token to scrape it.
        config: { access: { ...READERS, loopback: true }, rateLimit: false },
        schema: {
          hide: prefix === '',
          tags: ['gateway'],
          summary: 'Prometheus metrics',
          produces: ['text/plain'],
          response: { 200: Type.String() },
        },
      },
      async (_request, reply) => {
        reply.type(metrics.registry.contentType).serializer((text: unknown) => String(text))
        return metrics.registry.metrics()
      },
    )
  }
}
