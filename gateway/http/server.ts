import type { AddressInfo } from 'node:net'
import cookie from '@fastify/cookie'
import helmet from '@fastify/helmet'
import rateLimit from '@fastify/rate-limit'
import fastify, { LogController } from 'fastify'
import type { Part } from '../model/pipeline.ts'
import { accountability } from './accountability.ts'
import { alarms } from './alarms.ts'
import { auditLog, noteOrigins } from './audit.ts'
import { denyByDefault, type Authority } from './auth.ts'
import { backTest } from './backtest.ts'
import { caseFiles } from './case-file.ts'
import { hurryBodies } from './body-deadline.ts'
import { cases } from './cases.ts'
import { drivenClock } from './clock.ts'
import { commands } from './commands.ts'
import { isLoopback, shareConnections } from './connection-share.ts'
import { serveConsole } from './console.ts'
import { devices } from './devices.ts'
import { district } from './district.ts'
import { sites } from './sites.ts'
import { evidence } from './evidence.ts'
import { EventStream } from './event-stream.ts'
import { events } from './events.ts'
import { HandInRate } from './hand-in-rate.ts'
import { health, metricsPage } from './health.ts'
import { hj212 } from './hj212.ts'
import { influxWrite } from './influx-write.ts'
import { takeJsonOnly } from './json-body.ts'
import { inspections } from './inspections.ts'
import { ledger } from './ledger.ts'
import { LiveFeed } from './live-feed.ts'
import { LiveReadings } from './live-readings.ts'
import { messages } from './messages.ts'
import { MessageStream } from './message-stream.ts'
import { Metrics } from './metrics.ts'
import { answerMissing } from './missing.ts'
import { describeApi } from './openapi.ts'
import type { HttpParts } from './parts.ts'
import { answerClientError, answerError, Problem } from './problem.ts'
import { peopleReports } from './people-reports.ts'
import { places } from './places.ts'
import { precision } from './precision.ts'
import { publicReports } from './public-reports.ts'
import { patrols } from './patrols.ts'
import { purifiers } from './purifiers.ts'
import { quarantine } from './quarantine.ts'
import { readingsIn } from './readings-in.ts'
import { readingsOut } from './readings-out.ts'
import { rules } from './rules.ts'
import { reportPages } from './report-pages.ts'
import { RouteTable } from './route-table.ts'
import { validateStrictly, type Api } from './route.ts'
import { sectionReport } from './section-report.ts'
import { ownSessions } from './own-sessions.ts'
import { sessions } from './sessions.ts'
import { subscriptions } from './subscriptions.ts'
import { suggestion } from './suggestion.ts'
import { tokens } from './tokens.ts'
import { supervision } from './supervision.ts'
import { tickets } from './tickets.ts'
import { users } from './users.ts'
import { whistles } from './whistles.ts'

/** A request must be complete by then, ms: a client that trickles its bytes does not hold a socket … */
const REQUEST_TIMEOUT = 30_000
/** … but a video over a mobile network may take as long as this, ms. */
const SLOW_BODY_TIMEOUT = 15 * 60_000
/** … and its head by then, ms. */
const HEADERS_TIMEOUT = 10_000
/** Connections are held against these two this often, ms. */
const CHECK_EVERY = 5000
const KEEP_ALIVE = 65_000
const CONNECTIONS = 10_000
/** Of them, of one address. */
const OF_AN_ADDRESS = 2500
/** Largest body where a route says nothing, bytes. */
const BODY_LIMIT = 256 * 1024
/** Requests of one address in a second: it stops loops that have run away, not people or scrapers. */
const REQUESTS_PER_SECOND = 1000
/** A stop waits this long for answers under way, ms. */
const STOP_TIMEOUT = 4000
/** API, live page and its events (contract §5). */
export class HttpServer implements Part {
  readonly routes = new RouteTable()
  readonly #parts: HttpParts
  readonly #live = new LiveReadings()
  readonly #stream: EventStream
  readonly #feed: LiveFeed
  readonly #messages: MessageStream
  readonly #metrics: Metrics
  #app: Api | undefined

  constructor(parts: HttpParts) {
    this.#parts = parts
    this.#stream = new EventStream(parts.clock.now().toString(36))
    this.#feed = new LiveFeed(parts, this.#stream, this.#live)
    this.#messages = new MessageStream(parts.journal)
    this.#metrics = new Metrics(parts, this.#stream)
  }

  async start(): Promise<void> {
    const { host, port } = this.#parts
    this.#app = await this.#build()
    this.#metrics.start()
    this.#stream.start()
    this.#feed.start()
    await this.#app.listen({ host, port })
  }

  /** The port that it listens on, from `start()` to `stop()`. */
  port(): number {
    return (this.#app!.server.address() as AddressInfo).port
  }

  async stop(): Promise<void> {
    this.#feed.stop()
    this.#stream.stop()
    this.#messages.stop()
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
      logController: new LogController({ disableRequestLogging: true }),
      bodyLimit: BODY_LIMIT,
      trustProxy: parts.trustedProxies?.length ? [...parts.trustedProxies] : false,
      requestTimeout: SLOW_BODY_TIMEOUT,
      // All of it is local and ends by itself; a machine that is busy is no reason not to start.
      pluginTimeout: 0,
      keepAliveTimeout: KEEP_ALIVE,
      http: { headersTimeout: HEADERS_TIMEOUT, connectionsCheckingInterval: CHECK_EVERY },
      routerOptions: { maxParamLength: 128 },
      // A stop waits for answers under way, not for idle connections.
      forceCloseConnections: 'idle',
      clientErrorHandler: answerClientError,
      frameworkErrors: (error, request, reply) => void answerError(error, request, reply),
    })
    app.server.maxConnections = CONNECTIONS
    const hasProxies = (parts.trustedProxies?.length ?? 0) > 0
    shareConnections(app.server, OF_AN_ADDRESS, (address) => hasProxies || isLoopback(address))
    const authority: Authority = parts

    app.setErrorHandler(answerError)
    takeJsonOnly(app)
    validateStrictly(app)
    this.routes.watch(app)
    answerMissing(app, this.routes)
    await app.register(helmet, { contentSecurityPolicy: { useDefaults: false, directives: PAGE_POLICY } })
    await app.register(cookie)
    await app.register(rateLimit, {
      max: REQUESTS_PER_SECOND,
      timeWindow: 1000,
      errorResponseBuilder: () => new Problem('too_many_requests'),
    })
    noteOrigins(app, parts)
    denyByDefault(app, authority, this.routes)
    hurryBodies(app, REQUEST_TIMEOUT)
    app.addHook('onRequest', (request, reply, done) => {
      // Answers hold what only the caller may see, secrets too.
      if (request.url.startsWith('/api/v1/')) reply.header('cache-control', 'no-store')
      done()
    })
    app.addHook('onResponse', (request, reply, done) => {
      const route = request.routeOptions.url ?? 'none'
      this.#metrics.observe(request.method, route, reply.statusCode, reply.elapsedTime / 1000)
      done()
    })
    await describeApi(app, parts.version)
    health(app, parts)
    metricsPage(app, this.#metrics)
    devices(app, parts, this.#live)
    commands(app, parts)
    const rate = new HandInRate(parts.messagesPerSecond, parts.clock)
    readingsIn(app, parts, rate)
    await influxWrite(app, parts, rate)
    hj212(app, parts)
    readingsOut(app, parts)
    messages(app, parts, this.#messages)
    quarantine(app, parts)
    ledger(app, parts)
    sectionReport(app, parts)
    rules(app, parts)
    backTest(app, parts)
    alarms(app, parts)
    cases(app, parts)
    await evidence(app, parts)
    caseFiles(app, parts)
    supervision(app, parts)
    peopleReports(app, parts)
    tickets(app, parts)
    await publicReports(app, parts)
    places(app, parts)
    await reportPages(app)
    whistles(app, parts)
    precision(app, parts)
    accountability(app, parts)
    purifiers(app, parts)
    inspections(app, parts)
    patrols(app, parts)
    suggestion(app, parts)
    subscriptions(app, parts)
    district(app, parts)
    sites(app, parts)
    drivenClock(app, parts)
    sessions(app, parts)
    ownSessions(app, parts)
    users(app, parts)
    tokens(app, parts)
    auditLog(app, parts)
    events(app, this.#stream)
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
