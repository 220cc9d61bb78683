import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { Ajv } from 'ajv'
import type { Static, TSchema } from 'typebox'
import { parse } from 'yaml'
import { WrongUsage } from './wrong-usage.ts'

/** A scenario or map that cannot be used: one line that names file, place and what was expected. */
export class DocumentError extends WrongUsage {
  override readonly name = 'DocumentError'
}

/** Reads a YAML file and checks it against its schema. */
export function readDocument<S extends TSchema>(file: string | URL, schema: S): Static<S> {
  let text: string
  try {
    text = readFileSync(file, 'utf8')
  } catch (error) {
    throw new DocumentError(`${nameOf(file)}: cannot be read: ${(error as Error).message}`)
  }
  return parseDocument(text, schema, nameOf(file))
}

export function parseDocument<S extends TSchema>(text: string, schema: S, name: string): Static<S> {
  let document: unknown
  try {
    document = parse(text)
  } catch (error) {
    // Not only what is no YAML: aliases of aliases that would be gigabytes are another kind of error.
    throw new DocumentError(`${name}: ${(error as Error).message.split(/:?\n/)[0]}`)
  }
  const validate = new Ajv({ allErrors: false, verbose: true, strict: false }).compile<Static<S>>(schema)
  if (validate(document)) return document
  const { instancePath, message, params, keyword, data } = validate.errors![0]!
  const place = instancePath === '' ? 'the document' : instancePath.slice(1).replaceAll('/', '.')
  const detail = keyword === 'additionalProperties' ? ` (${String(params['additionalProperty'])})` : ''
  const value = typeof data === 'object' ? '' : `: ${JSON.stringify(data)}`
  throw new DocumentError(`${name}: ${place}${value} ${message ?? 'is not valid'}${detail}`)
}

export function nameOf(file: string | URL): string {
  return file instanceof URL ? fileURLToPath(file) : file
}
