import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { type Command } from 'commander'
import { loadConfig } from '../gateway/config.ts'
import { ADMIN_TOKEN_FILE } from '../gateway/registry/admin-token.ts'
import { WrongUsage } from '../simulators/wrong-usage.ts'
import { address } from './options.ts'

/** Which gateway a command talks to, and with what right. */
export interface Target {
  readonly mqttUrl: string
  readonly httpUrl: string
  /** tcp://host:port, where HJ 212 is taken. */
  readonly hj212Url: string
  /** Undefined when none was given and none can be found. */
  readonly token: string | undefined
}

export interface TargetOptions {
  config?: string
  url?: string
  to?: string
  http?: string
  hj212?: string
  token?: string
}

/** What `hj212.port` is unless it is said. */
const HJ212_PORT = 9212

/** `--url`, `--token` and `--config`, for commands that speak HTTP. */
export function httpOptions(command: Command): Command {
  return command
    .option('--url <url>', 'address of the gateway (default: as configured)', address('http', 'https'))
    .option('--token <token>', 'bearer token; better in GW_ADMIN_TOKEN, where other users cannot see it')
    .option('--config <file>', 'gateway.yaml to take addresses and the token from')
}

/** The same with `--to`, for commands that speak MQTT too. */
export function mqttOptions(command: Command): Command {
  return command
    .option('--to <url>', 'where to publish (default: as configured)', address('mqtt', 'mqtts', 'ws', 'wss'))
    .option('--http <url>', 'where to register devices (default: as configured)', address('http', 'https'))
    .option('--token <token>', 'bearer token; better in GW_ADMIN_TOKEN, where other users cannot see it')
    .option('--config <file>', 'gateway.yaml to take addresses and the token from')
}

export function hj212Option(command: Command): Command {
  return command.option('--hj212 <url>', 'where to send HJ 212 (default: as configured)', address('tcp'))
}

/** Options first, then the environment and the configuration file, then the token that the gateway wrote. */
export function targetOf(options: TargetOptions): Target {
  const config = loadConfig(options.config, process.env)
  const mqtt = `mqtt://${reachable(config.mqtt.host ?? config.host)}:${config.mqtt.port}`
  const http = `http://${reachable(config.http.host ?? config.host)}:${config.http.port}`
  const hj212 = `tcp://${reachable(config.hj212?.host ?? config.host)}:${config.hj212?.port ?? HJ212_PORT}`
  return {
    mqttUrl: options.to ?? mqtt,
    hj212Url: options.hj212 ?? hj212,
    httpUrl: options.url ?? options.http ?? http,
    token: options.token ?? config.admin.token ?? writtenToken(config.dataDir),
  }
}

export function tokenOf(target: Target): string {
  if (target.token !== undefined) return target.token
  throw new WrongUsage('no token: give --token or GW_ADMIN_TOKEN, or run where dataDir/admin.token is')
}

function writtenToken(dataDir: string): string | undefined {
  try {
    return readFileSync(join(dataDir, ADMIN_TOKEN_FILE), 'utf8').trim()
  } catch {
    return undefined
  }
}

/** A listener on every address is reached on this machine's own. */
function reachable(host: string): string {
  if (host === '0.0.0.0' || host === '::') return '127.0.0.1'
  return host.includes(':') ? `[${host}]` : host
}
