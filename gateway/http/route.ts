import { Ajv } from 'ajv'
import type { FastifyInstance, RawServerDefault } from 'fastify'
import type { IncomingMessage, ServerResponse } from 'node:http'
import type { TypeBoxTypeProvider } from '@fastify/type-provider-typebox'
import type { Log } from '../log.ts'

/** The server as resources see it: a route's schemas are its types, its validation and its description. */
export type Api = FastifyInstance<RawServerDefault, IncomingMessage, ServerResponse, Log, TypeBoxTypeProvider>

/**
 * Bodies are taken at their word: a number sent as text is a mistake, and so is a field that is not known.
 * Queries and paths are text by nature and are read as what their schema says.
 */
export function validateStrictly(api: Api): void {
  // JSON's 1e999 is Infinity in JavaScript: no number of ours.
  const options = { strict: false, strictNumbers: true, useDefaults: true, allErrors: false } as const
  const bodies = new Ajv(options)
  const texts = new Ajv({ ...options, coerceTypes: true })
  api.setValidatorCompiler<object>(({ schema, httpPart }) =>
    (httpPart === 'body' ? bodies : texts).compile(schema),
  )
  api.setSerializerCompiler(() => JSON.stringify)
}
