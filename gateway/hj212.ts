import { Hj212Source, type Hj212Parts } from '../adapters/hj212/source.ts'
import type { Config } from './config.ts'
import { durationMs } from './model/duration.ts'

/** The server for HJ 212 monitors; undefined when the configuration has no port for it. */
export function hj212Source({ host, hj212 }: Config, parts: Hj212Parts): Hj212Source | undefined {
  if (hj212 === undefined) return undefined
  const options = {
    host: hj212.host ?? host,
    port: hj212.port,
    connectMs: durationMs(hj212.connectTimeout),
    idleMs: durationMs(hj212.idleTimeout),
    maxConnections: hj212.maxConnections,
    framesPerSecond: hj212.framesPerSecond,
    fillGaps: hj212.fillGaps,
  }
  return new Hj212Source(options, parts)
}
