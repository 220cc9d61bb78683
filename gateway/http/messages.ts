import type { Readable } from 'node:stream'
import { Type } from 'typebox'
import { ADMIN } from './access.ts'
import { userOf } from './auth.ts'
import type { MessageStream } from './message-stream.ts'
import type { HttpParts } from './parts.ts'
import { Problem } from './problem.ts'
import type { Api } from './route.ts'

/** `GET /messages`: what devices sent, byte for byte, for `gridwhistle record`. */
export function messages(api: Api, { journal }: HttpParts, stream: MessageStream): void {
  api.get(
    '/api/v1/messages',
    {
      config: { access: ADMIN },
      // A HEAD request would hold a stream that says nothing.
      exposeHeadRoute: false,
      schema: {
        tags: ['readings'],
        summary: 'Accepted messages as they came, as JSON lines',
        description:
          'Each line is `{"seq","readings","device","topic","at","payload"}`: the number of its first reading, how many ' +
          'it holds, who sent it, when it was received (epoch ms), and the JSON text of its accepted readings, which ' +
          'is what the device sent when all of them were accepted; with `"encoding":"base64"` where that is no UTF-8. ' +
          'Whatever wire a message came over, its topic is that of MQTT. Duplicates and refused readings are not ' +
          'among them. Come back with `from` = `seq` + `readings` of the last line and nothing is missed while the ' +
          'journal holds it; a first `seq` beyond that says how much it no longer held. Empty lines are signs of life.',
        querystring: Type.Object(
          {
            from: Type.Optional(
              Type.Integer({
                minimum: 0,
                maximum: Number.MAX_SAFE_INTEGER,
                description:
                  'number of the first reading; 0 for all that the journal still holds; now when absent',
              }),
            ),
            follow: Type.Boolean({ default: false, description: 'go on with what comes' }),
          },
          { additionalProperties: false },
        ),
        produces: ['application/x-ndjson'],
        response: { 200: Type.Unsafe<Readable>(Type.String()) },
      },
    },
    (request, reply) => {
      const { valid } = userOf(request)
      if (!stream.hasRoom) throw new Problem('overloaded', 'too many are recording')
      const { from = journal.head(), follow } = request.query
      void reply
        .header('content-type', 'application/x-ndjson; charset=utf-8')
        // Asks reverse proxies not to hold lines back.
        .header('x-accel-buffering', 'no')
        .send(stream.open({ from, follow, allowed: valid }, reply.raw))
    },
  )
}
