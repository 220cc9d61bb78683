import { answerClientError } from './problem.ts'
import type { Api } from './route.ts'

/**
 * The server's own limit is for the slowest of all bodies, a video over a mobile network (`slowBody`); every other one
 * has arrived within `limit` ms, or what its route says, or is answered 408 and cut off: a client that trickles its bytes does not hold a socket.
 */
export function hurryBodies(app: Api, limit: number): void {
  app.addHook('onRequest', (request, _reply, done) => {
    const { raw } = request
    const { 'content-length': length = '0', 'transfer-encoding': encoding } = raw.headers
    const hasBody = encoding !== undefined || length !== '0'
    const { slowBody = limit } = request.routeOptions.config
    if (hasBody && slowBody !== true) {
      const late = Object.assign(new Error('the body is late'), { code: 'ERR_HTTP_REQUEST_TIMEOUT' })
      // It may all be there and not be read yet: then the client is not to blame.
      const timer = setTimeout(() => raw.complete || answerClientError(late, raw.socket), slowBody)
      raw.once('close', () => clearTimeout(timer))
    }
    done()
  })
}
