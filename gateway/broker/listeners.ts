import { readFileSync } from 'node:fs'
import { createServer as createHttpServer, type IncomingMessage, type Server as HttpServer } from 'node:http'
import { createServer, type AddressInfo, type Server, type Socket } from 'node:net'
import type { Duplex } from 'node:stream'
import { createSecureContext, createServer as createTlsServer, type TLSSocket } from 'node:tls'
import { createWebSocketStream, WebSocketServer } from 'ws'
import { ConfigError, type Config } from '../config.ts'
import type { Log } from '../log.ts'
import { durationMs } from '../model/duration.ts'

/** A byte stream that may speak MQTT, wherever it came in. */
export interface Caller {
  readonly stream: Duplex
  readonly address: string
  /** Common name of its verified client certificate. */
  readonly certificate: string | null
}

/** Above the largest packet, for clients that put several into one WebSocket frame. */
const FRAME_SLACK_BYTES = 64 * 1024

/** TCP, TLS and WebSocket, with what must be bounded before MQTT begins: connections, handshakes, frames. */
export class Listeners {
  readonly #config: Config
  readonly #onCaller: (caller: Caller) => void
  readonly #log: Log
  readonly #connectTimeout: number
  readonly #sockets = new Set<Socket>()
  #tcp: Server | undefined
  #tls: Server | undefined
  #http: HttpServer | undefined
  #webSockets: WebSocketServer | undefined
  #full = false
  #refused = 0

  constructor(config: Config, onCaller: (caller: Caller) => void, log: Log) {
    this.#config = config
    this.#onCaller = onCaller
    this.#log = log
    this.#connectTimeout = durationMs(config.mqtt.connectTimeout)
  }

  async start(): Promise<void> {
    const config = this.#config
    const host = config.mqtt.host ?? config.host
    this.#tcp = createServer({ noDelay: true }, (socket) => this.#call(socket, socket, null))
    this.#tls = this.#secureServer()
    this.#http = this.#webSocketServer()
    await this.#listen(this.#tcp, config.mqtt.port, host)
    if (this.#tls !== undefined) await this.#listen(this.#tls, config.mqtt.tls!.port, host)
    await this.#listen(this.#http, config.ws.port, config.ws.host ?? config.host)
  }

  ports(): { mqtt: number; mqtts?: number; ws: number } {
    const port = (server: Server | undefined) =>
      (server?.address() as AddressInfo | null | undefined)?.port ?? 0
    const ports = { mqtt: port(this.#tcp), ws: port(this.#http) }
    return this.#tls === undefined ? ports : { ...ports, mqtts: port(this.#tls) }
  }

  /** Connections that were turned away because there were too many. */
  get refused(): number {
    return this.#refused
  }

  /** No new ones. */
  close(): void {
    for (const server of this.#servers()) server.close()
    this.#webSockets?.close()
  }

  /** And no old ones. */
  destroy(): void {
    for (const socket of this.#sockets) socket.destroy()
  }

  async #listen(server: Server, port: number, host: string): Promise<void> {
    server.on('connection', (socket: Socket) => this.#count(socket))
    server.on('drop', () => this.#refused++)
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject)
      server.listen(port, host, () => {
        server.off('error', reject)
        server.on('error', (error) => this.#log.error({ err: error }, 'listener failed'))
        resolve()
      })
    })
  }

  #count(socket: Socket): void {
    this.#sockets.add(socket)
    socket.once('close', () => {
      this.#sockets.delete(socket)
      this.#bound()
    })
    this.#bound()
    // Finds the dead peers of clients that ask for no keepalive.
    socket.setKeepAlive(true, 60_000)
  }

  /** All listeners together: when full, each lets go of a new connection before anything is spent on it. */
  #bound(): void {
    const full = this.#sockets.size >= this.#config.mqtt.maxConnections
    if (full === this.#full) return
    this.#full = full
    for (const server of this.#servers()) server.maxConnections = full ? 0 : Number.MAX_SAFE_INTEGER
  }

  #servers(): Server[] {
    return [this.#tcp, this.#tls, this.#http].filter((server) => server !== undefined)
  }

  #call(stream: Duplex, socket: Socket, certificate: string | null): void {
    if (socket.destroyed) return
    this.#onCaller({ stream, address: socket.remoteAddress ?? 'unknown', certificate })
  }

  /** A client certificate is asked for, not required: one that is absent or not ours leaves the password. */
  #secureServer(): Server | undefined {
    const { tls } = this.#config.mqtt
    if (tls === undefined) return undefined
    const server = createTlsServer(
      {
        ...pemsOf(tls),
        requestCert: tls.ca !== undefined,
        rejectUnauthorized: false,
        minVersion: 'TLSv1.2',
        handshakeTimeout: this.#connectTimeout,
        noDelay: true,
      },
      (socket) => this.#call(socket, socket, tls.ca === undefined ? null : commonName(socket)),
    )
    server.on('tlsClientError', (error, socket) => {
      // Node only tells of a handshake that took too long.
      socket.destroy()
      this.#log.debug({ err: error }, 'TLS handshake failed')
    })
    return server
  }

  #webSocketServer(): HttpServer {
    const server = createHttpServer(
      {
        noDelay: true,
        headersTimeout: this.#connectTimeout,
        requestTimeout: this.#connectTimeout,
        connectionsCheckingInterval: Math.min(1000, this.#connectTimeout),
      },
      (_, response) => {
        response.writeHead(426, { 'content-type': 'text/plain', connection: 'close' })
        response.end('MQTT over WebSocket only\n')
      },
    )
    const webSockets = new WebSocketServer({
      noServer: true,
      maxPayload: this.#config.mqtt.maxPacketBytes + FRAME_SLACK_BYTES,
      handleProtocols: () => 'mqtt',
    })
    this.#webSockets = webSockets
    server.on('upgrade', (request, socket: Socket, head) => {
      if (!offersMqtt(request)) {
        refuseUpgrade(socket)
        return
      }
      webSockets.handleUpgrade(request, socket, head, (webSocket) => {
        // [MQTT-6.0.0-1]
        webSocket.on('message', (_, binary) => {
          if (!binary) webSocket.terminate()
        })
        this.#call(createWebSocketStream(webSocket), socket, null)
      })
    })
    return server
  }
}

/** Node has let go of the socket: nobody else listens for its errors, which would end the process, or ends it. */
function refuseUpgrade(socket: Socket): void {
  socket.on('error', () => socket.destroy())
  socket.end('HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n', () => socket.destroy())
}

/** What the files of `mqtt.tls` hold; one that is not there or not right is a mistake in the configuration. */
function pemsOf({ cert, key, ca }: NonNullable<Config['mqtt']['tls']>) {
  const pems = {
    cert: pem('cert', cert),
    key: pem('key', key),
    ...(ca !== undefined && { ca: pem('ca', ca) }),
  }
  try {
    createSecureContext(pems)
  } catch (error) {
    const { message } = error as Error
    throw new ConfigError(`mqtt.tls: ${cert} and ${key}: ${message}; expected a certificate and its key, PEM`)
  }
  return pems
}

function pem(name: string, file: string): Buffer {
  try {
    return readFileSync(file)
  } catch (error) {
    throw new ConfigError(`mqtt.tls.${name}: ${(error as Error).message}; expected a file in PEM`)
  }
}

/** [MQTT-6.0.0-3] */
function offersMqtt(request: IncomingMessage): boolean {
  const offered = request.headers['sec-websocket-protocol'] ?? ''
  return offered.split(',').some((protocol) => protocol.trim() === 'mqtt')
}

function commonName(socket: TLSSocket): string | null {
  if (!socket.authorized) return null
  const name: unknown = socket.getPeerCertificate().subject?.CN
  // Several common names make an array: none of them is the device's for sure.
  return typeof name === 'string' ? name : null
}
