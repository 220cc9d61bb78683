import type { AddressInfo } from 'node:net'
import cookie from '@fastify/cookie'
import helmet from '@fastify/helmet'
import rateLimit from '@fastify/rate-limit'
import fastify from 'fastify'
import type { Part } from '../model/pipeline.ts'
import { denyByDefault, type Authority } from './auth.ts'
import { serveConsole } from './console.ts'
import { EventStream } from './event-stream.ts'
import { events } from './events.ts'
import { health, metricsPage } from './health.ts'
import { takeJsonOnly } from './json-body.ts'
import { LiveReadings } from './live-readings.ts'
import { Metrics } from './metrics.ts'
import { answerMissing } from './missing.ts'
import { describeApi } from './openapi.ts'
import type { HttpParts } from './parts.ts'
import { answerError, Problem } from './problem.ts'
import { validateStrictly, type Api } from './route.ts'
import { SessionStore } from './session-store.ts'
import { sessions } from './sessions.ts'

/** A request must be complete by then, ms: a client that trickles its bytes does not hold a socket … */
const REQUEST_TIMEOUT = 30_000
/** … and its head by then, ms. */
const HEADERS_TIMEOUT = 10_000
const KEEP_ALIVE = 65_000
const CONNECTIONS = 10_000
/** Largest body where a route says nothing, bytes. */
const BODY_LIMIT = 256 * 1024
/** Requests of one address in a second: it stops loops that have run away, not people or scrapers. */
const REQUESTS_PER_SECOND = 1000
/** A stop waits this long for answers under way, ms. */
const STOP_TIMEOUT = 4000
/** Readings are told this often, ms, … */
const TELL_EVERY = 100
/** … and of this many devices each time. */
const TELL_MOST = 20

/** API, live page and its events (contract §5). */
export class HttpServer implements Part {
  readonly #parts: HttpParts
  readonly #live = new LiveReadings()
  readonly #stream: EventStream
  readonly #metrics: Metrics
  #app: Api | undefined
  #tell: NodeJS.Timeout | undefined

  constructor(parts: HttpParts) {
    this.#parts = parts
    this.#stream = new EventStream(parts.clock.now().toString(36))
    this.#metrics = new Metrics(parts, this.#stream)
  }

  async start(): Promise<void> {
    const { host, port } = this.#parts
    this.#app = await this.#build()
    this.#metrics.start()
    this.#stream.start()
    await this.#app.listen({ host, port })
  }

  /** The port that it listens on, from `start()` to `stop()`. */
  port(): number {
    return (this.#app!.server.address() as AddressInfo).port
  }

  async stop(): Promise<void> {
    clearInterval(this.#tell)
    this.#stream.stop()
    const app = this.#app
    this.#app = undefined
    if (app === undefined) return
    const hurry = setTimeout(() => app.server.closeAllConnections(), STOP_TIMEOUT)
    await app.close()
    clearTimeout(hurry)
    this.#metrics.stop()
  }

  async #build(): Promise<Api> {
    const parts = this.#parts
    const app: Api = fastify({
      loggerInstance: parts.log,
      disableRequestLogging: true,
      bodyLimit: BODY_LIMIT,
      requestTimeout: REQUEST_TIMEOUT,
      keepAliveTimeout: KEEP_ALIVE,
      http: { headersTimeout: HEADERS_TIMEOUT },
      routerOptions: { maxParamLength: 128 },
      // A stop waits for answers under way, not for idle connections.
      forceCloseConnections: 'idle',
    })
    app.server.maxConnections = CONNECTIONS
    const sessionStore = new SessionStore(parts.clock)
    const authority: Authority = {
      signIn: parts.signIn,
      sessions: sessionStore,
      district: parts.district,
      userNow: (user) => parts.userNow(user),
    }

    app.setErrorHandler(answerError)
    takeJsonOnly(app)
    validateStrictly(app)
    answerMissing(app)
    await app.register(helmet, { contentSecurityPolicy: { useDefaults: false, directives: PAGE_POLICY } })
    await app.register(cookie)
    await app.register(rateLimit, {
      max: REQUESTS_PER_SECOND,
      timeWindow: 1000,
      errorResponseBuilder: () => new Problem('too_many_requests'),
    })
    denyByDefault(app, authority)
    app.addHook('onResponse', (request, reply, done) => {
      const route = request.routeOptions.url ?? 'none'
      this.#metrics.observe(request.method, route, reply.statusCode, reply.elapsedTime / 1000)
      done()
    })
    await describeApi(app, parts.version)
    health(app, parts)
    metricsPage(app, this.#metrics)
    sessions(app, parts, sessionStore)
    events(app, this.#stream, authority)
    await serveConsole(app)
    return app
  }
}

/** The console's pages take everything from here and run nothing that is written into them. */
const PAGE_POLICY = {
  defaultSrc: ["'none'"],
  scriptSrc: ["'self'"],
  styleSrc: ["'self'"],
  imgSrc: ["'self'", 'data:'],
  connectSrc: ["'self'"],
  baseUri: ["'none'"],
  formAction: ["'none'"],
  frameAncestors: ["'none'"],
}
