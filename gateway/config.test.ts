import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { parse } from 'yaml'
import { ConfigSchema } from './config-schema.ts'
import { configKeys, environmentName, loadConfig } from './config.ts'

let folder: string
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'gridwhistle-config-'))
})
afterAll(() => rmSync(folder, { recursive: true, force: true }))

function load(yaml: string, environment: NodeJS.ProcessEnv = {}) {
  const file = join(folder, 'gateway.yaml')
  writeFileSync(file, yaml)
  return loadConfig(file, environment)
}

describe('a configuration is complete without a file', () => {
  test('every key has its default', () => {
    const config = loadConfig(undefined, {})
    expect(config.mqtt.port).toBe(1883)
    expect(config.host).toBe('127.0.0.1')
    expect(config.historian.type).toBe('embedded')
    expect(config.journal.keep).toBe('24h')
  })
})

describe('the environment wins over the file', () => {
  test.each([
    [['mqtt', 'port'], 'GW_MQTT_PORT'],
    [['mqtt', 'tls', 'cert'], 'GW_MQTT_TLS_CERT'],
    [['dataDir'], 'GW_DATA_DIR'],
    [['historian', 'url'], 'GW_HISTORIAN_URL'],
  ])('%j is %s', (path, name) => expect(environmentName(path)).toBe(name))

  test('a list of brokers is JSON or YAML', () => {
    for (const text of ['[{"url":"mqtts://broker:8883"}]', '[{ url: mqtts://broker:8883 }]'])
      expect(load('upstream: [{ url: mqtt://other }]', { GW_UPSTREAM: text }).upstream).toEqual([
        {
          url: 'mqtts://broker:8883',
          topics: ['v1/{device}/readings'],
          version: 5,
          sessionExpiry: '7d',
        },
      ])
  })

  test('numbers, booleans and text become what the schema expects', () => {
    const config = load('mqtt: { port: 1 }', {
      GW_MQTT_PORT: '2',
      GW_HISTORIAN_GZIP: 'true',
      GW_ADMIN_TOKEN: '1234567890123456',
      GW_DATADIR: '/somewhere',
    })
    expect(config.mqtt.port).toBe(2)
    expect(config.historian.gzip).toBe(true)
    expect(config.admin.token).toBe('1234567890123456')
    expect(config.dataDir).toBe('/somewhere')
  })
})

/** Eight hundred items once written out. */
const bomb = `{ a: &a [x], b: &b [${'*a, '.repeat(20)}], c: &c [${'*b, '.repeat(20)}], d: [*c, *c] }`

describe('a bad configuration is one line that names key, value and expectation', () => {
  test.each([
    ['mqtt: { prot: 1 }', /mqtt\.prot: unknown key; expected one of port, host/],
    ['mqtt: { port: abc }', /mqtt\.port: "abc" is not valid; expected a whole number from 0 to 65535/],
    ['mqtt: { port: 70000 }', /mqtt\.port: 70000 is not valid/],
    [
      'historian: { type: mongo }',
      /historian\.type: "mongo" is not valid; expected one of embedded, influx1, influx2/,
    ],
    ['journal: { keep: forever }', /journal\.keep: "forever" is not valid; expected a duration/],
    ['mqtt: { tls: { port: 1 } }', /mqtt\.tls\.cert: missing; expected text/],
    ['upstream: [{ url: http://x }]', /upstream\.0\.url: \(hidden\) is not valid; expected text/],
    ['upstream: [{ topics: [] }]', /upstream\.0\.url: missing/],
    [
      'http: { trustedProxies: [proxy] }',
      /http\.trustedProxies: "proxy" is not valid; expected an address or a network/,
    ],
    ['http: { trustedProxies: [10.0.0.0/33] }', /10\.0\.0\.0\/33/],
    ['http: { trustedProxies: [0.0.0.0/-1] }', /trustedProxies/],
    ['upstream: [{ url: mqtt://x, qos: 2 }]', /upstream\.0\.qos: unknown key; expected one of url, topics/],
    ['upstream: { url: mqtt://x }', /upstream: \(hidden\) is not valid; expected a list of mappings/],
    ['http: 8080', /http: 8080 is not valid; expected a mapping/],
    ['[1, 2]', /expected a mapping of keys/],
    ['mqtt: {', /gateway\.yaml: /],
    [bomb, /gateway\.yaml: Excessive alias count/],
  ])('%s', (yaml, message) => {
    expect(() => load(yaml)).toThrow(message)
    try {
      load(yaml)
    } catch (error) {
      expect((error as Error).message).not.toContain('\n')
    }
  })

  test('a secret is never repeated', () => {
    expect(() => load('admin: { token: "" }')).toThrow(/admin\.token: \(hidden\) is not valid; expected text/)
  })

  test.each([
    ['host: 0.0.0.0', /host to be a loopback address, not 0\.0\.0\.0/],
    ['http: { host: 192.168.1.9 }', /http\.host to be a loopback address/],
    ['mqtt: { host: 127.0.0.1.example.org }', /mqtt\.host to be a loopback address/],
  ])('a driven clock is refused with %s', (yaml, message) => {
    expect(() => load(`clock: driven\n${yaml}`)).toThrow(message)
    expect(() => load(yaml)).not.toThrow()
  })

  test('a section left empty means its defaults', () => {
    expect(load('mqtt:\nadmin:\n').mqtt.port).toBe(1883)
  })

  test('a missing file is named', () => {
    expect(() => loadConfig(join(folder, 'none.yaml'), {})).toThrow(/none\.yaml: cannot be read/)
  })
})

describe('gateway.example.yaml', () => {
  const text = readFileSync(new URL('../gateway.example.yaml', import.meta.url), 'utf8')

  test('is accepted as it stands', () => {
    expect(() => load(text)).not.toThrow()
  })

  test('explains every key', () => {
    const uncommented = text.replace(/^( *)# ( *(?:- )?\w+:(?: \S+)?)$/gm, '$1$2')
    const example: unknown = parse(uncommented)
    for (const path of configKeys()) {
      let node: unknown = example
      for (const key of path) node = (node as Record<string, unknown> | undefined)?.[key]
      expect(node, `${path.join('.')} is missing from gateway.example.yaml`).toBeDefined()
    }
    const [broker] = (example as { upstream: object[] }).upstream
    expect(Object.keys(broker!).sort()).toEqual(
      Object.keys(ConfigSchema.properties.upstream.items.properties).sort(),
    )
  })
})
