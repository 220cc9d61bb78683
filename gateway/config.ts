import { readFileSync } from 'node:fs'
import { isIP } from 'node:net'
import { Ajv, type ErrorObject } from 'ajv'
import type { Static } from 'typebox'
import { parse } from 'yaml'
import { offLoopback } from './driven-clock.ts'
import { ConfigSchema } from './config-schema.ts'
import { DURATION_PATTERN } from './model/duration.ts'

export type Config = Static<typeof ConfigSchema>

/** The start ends with exit 2 and this one line: what, where, and what was expected. */
export class ConfigError extends Error {
  override readonly name = 'ConfigError'
}

interface SchemaNode {
  type?: string
  anyOf?: { const?: unknown }[]
  properties?: Record<string, SchemaNode>
  minimum?: number
  maximum?: number
  minLength?: number
  pattern?: string
  items?: SchemaNode
}

/** Keys of the schema as paths, leaves only: `mqtt.tls.port` and so on. */
export function configKeys(node: SchemaNode = ConfigSchema, path: string[] = []): string[][] {
  if (node.properties === undefined) return [path]
  return Object.entries(node.properties).flatMap(([key, child]) => configKeys(child, [...path, key]))
}

/** `mqtt.port` is GW_MQTT_PORT, `dataDir` is GW_DATA_DIR (GW_DATADIR is understood too). */
export function environmentName(path: readonly string[]): string {
  return `GW_${path.map((key) => key.replace(/[A-Z]/g, (letter) => `_${letter}`).toUpperCase()).join('_')}`
}

/** Validates file and environment together; throws {@link ConfigError}. */
export function loadConfig(file: string | undefined, environment: NodeJS.ProcessEnv): Config {
  const config = file === undefined ? {} : readConfigFile(file)
  for (const path of configKeys()) {
    const names = [environmentName(path), `GW_${path.join('_').toUpperCase()}`]
    const name = names.find((candidate) => environment[candidate] !== undefined)
    if (name !== undefined) assign(config, path, environment[name]!)
  }
  const validate = new Ajv({ useDefaults: true, allErrors: false, verbose: true, strict: false }).compile(
    ConfigSchema,
  )
  if (!validate(config)) throw new ConfigError(explain(validate.errors![0]!, file))
  const odd = config.http.trustedProxies.find((text: string) => !isNetwork(text))
  if (odd !== undefined)
    throw new ConfigError(
      `${file ?? 'configuration'}: http.trustedProxies: ${JSON.stringify(odd)} is not valid; expected an address or a network such as 10.0.0.0/8`,
    )
  const exposed = config.clock === 'driven' ? offLoopback(config) : undefined
  if (exposed !== undefined)
    throw new ConfigError(
      `${file ?? 'configuration'}: clock: "driven" is for tests on one machine; expected ${exposed.key} to be a loopback address, not ${exposed.host}`,
    )
  return config
}

function isNetwork(text: string): boolean {
  const [address = '', bits, ...more] = text.split('/')
  const longest = { 0: -1, 4: 32, 6: 128 }[isIP(address)] ?? -1
  if (bits === undefined) return longest > 0
  return more.length === 0 && /^\d{1,3}$/.test(bits) && Number(bits) <= longest
}

function readConfigFile(file: string): Record<string, unknown> {
  let text: string
  try {
    text = readFileSync(file, 'utf8')
  } catch (error) {
    throw new ConfigError(`${file}: cannot be read: ${(error as Error).message}`)
  }
  try {
    const parsed: unknown = parse(text)
    if (parsed === null || parsed === undefined) return {}
    if (typeof parsed !== 'object' || Array.isArray(parsed)) {
      throw new ConfigError(`${file}: is ${JSON.stringify(parsed)}; expected a mapping of keys`)
    }
    return withoutNulls(parsed as Record<string, unknown>)
  } catch (error) {
    if (error instanceof ConfigError) throw error
    // Not only what is no YAML: aliases of aliases that would be gigabytes are another kind of error.
    throw new ConfigError(`${file}: ${(error as Error).message.split(/:?\n/)[0]}`)
  }
}

/** A key with nothing behind it (`admin:`) means its default, as a person who commented out the rest expects. */
function withoutNulls(node: Record<string, unknown>): Record<string, unknown> {
  const kept = Object.entries(node).filter(([, value]) => value !== null)
  return Object.fromEntries(
    kept.map(([key, value]) => [
      key,
      typeof value === 'object' && !Array.isArray(value)
        ? withoutNulls(value as Record<string, unknown>)
        : value,
    ]),
  )
}

function schemaAt(path: readonly string[]): SchemaNode {
  return path.reduce<SchemaNode>(
    (node, key) => node.items ?? node.properties![key]!,
    ConfigSchema as SchemaNode,
  )
}

/** Environment values are text: turned into what the schema expects where that is possible, else left to fail. */
function assign(config: Record<string, unknown>, path: readonly string[], text: string): void {
  const type = schemaAt(path).type
  let value: unknown = text
  if ((type === 'integer' || type === 'number') && text.trim() !== '' && Number.isFinite(Number(text)))
    value = Number(text)
  if (type === 'array') value = parseList(text)
  if (type === 'boolean' && (text === 'true' || text === 'false')) value = text === 'true'
  let node = config
  for (const key of path.slice(0, -1)) {
    if (typeof node[key] !== 'object' || node[key] === null) node[key] = {}
    node = node[key] as Record<string, unknown>
  }
  node[path.at(-1)!] = value
}

/** A list in a variable is JSON, or YAML in one line. */
function parseList(text: string): unknown {
  try {
    return parse(text)
  } catch {
    return text
  }
}

/** What may hold a password is not repeated, and neither is what was meant to be a list of such things. */
const secret = /(token|password|^upstream|^upstream\.\d+(\.url)?)$/

function explain(error: ErrorObject, file: string | undefined): string {
  const where = file ?? 'configuration'
  const path = error.instancePath.split('/').slice(1)
  if (error.keyword === 'additionalProperties') {
    const key = [...path, String(error.params['additionalProperty'])].join('.')
    const known = Object.keys(schemaAt(path).properties ?? {}).join(', ')
    return `${where}: ${key}: unknown key; expected one of ${known}`
  }
  if (error.keyword === 'required') {
    const key = [...path, String(error.params['missingProperty'])].join('.')
    return `${where}: ${key}: missing; expected ${expected(schemaAt(key.split('.')))}`
  }
  const key = path.join('.')
  const value = secret.test(key) ? '(hidden)' : JSON.stringify(error.data)
  return `${where}: ${key}: ${value} is not valid; expected ${expected(schemaAt(path))} (environment: ${environmentName(path)})`
}

function expected(node: SchemaNode): string {
  if (node.anyOf !== undefined) return `one of ${node.anyOf.map((option) => String(option.const)).join(', ')}`
  if (node.type === 'array') return `a list of ${node.items?.type === 'object' ? 'mappings' : 'texts'}`
  if (node.type === 'object') return `a mapping with ${Object.keys(node.properties ?? {}).join(', ')}`
  if (node.type === 'integer') {
    if (node.maximum !== undefined) return `a whole number from ${node.minimum} to ${node.maximum}`
    return `a whole number, ${node.minimum} or more`
  }
  if (node.type === 'boolean') return 'true or false'
  if (node.pattern === DURATION_PATTERN) return 'a duration such as 90s, 10m, 4h or 7d'
  if (node.minLength !== undefined && node.minLength > 1)
    return `text of at least ${node.minLength} characters`
  return 'text'
}
