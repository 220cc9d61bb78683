import { randomBytes } from 'node:crypto'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { TopicPattern } from '../adapters/upstream/codec.ts'
import type { Upstream, UpstreamParts } from '../adapters/upstream/source.ts'
import { ConfigError, type Config } from './config.ts'
import { durationMs } from './model/duration.ts'
import type { Health } from './model/pipeline.ts'

/** The clients that the configuration asks for; rejects with {@link ConfigError}. */
export async function upstreams(
  config: Config['upstream'],
  dataDir: string,
  parts: UpstreamParts,
): Promise<Upstream[]> {
  if (config.length === 0) return []
  // Whoever has no such broker does not load the client.
  const { Upstream } = await import('../adapters/upstream/source.ts')
  const made = madeUpId(dataDir)
  return config.map(({ topics, sessionExpiry, clientId, ...broker }, i) => {
    const patterns = topics.map((text, j) => patternOf(text, `upstream.${i}.topics.${j}`))
    const seconds = Math.round(durationMs(sessionExpiry) / 1000)
    const id = clientId ?? (i === 0 ? made : `${made}-${i + 1}`)
    return new Upstream({ ...broker, clientId: id, topics: patterns, sessionExpiry: seconds }, parts)
  })
}

/** All of them on one line of `/readyz`. */
export function upstreamHealth(upstreams: readonly Upstream[]): Health {
  const states = upstreams.map((upstream) => upstream.health())
  return {
    ready: states.every(({ ready }) => ready),
    detail: states.map(({ detail }) => detail).join('; '),
  }
}

function patternOf(text: string, key: string): TopicPattern {
  const pattern = TopicPattern.parse(text)
  if (typeof pattern === 'string')
    throw new ConfigError(`configuration: ${key}: ${JSON.stringify(text)}; ${pattern}`)
  return pattern
}

/** The same in every life of this gateway and in no other gateway. */
function madeUpId(dataDir: string): string {
  const file = join(dataDir, 'upstream.id')
  try {
    return readFileSync(file, 'utf8').trim()
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error
    const id = `gridwhistle-${randomBytes(6).toString('hex')}`
    writeFileSync(file, `${id}\n`)
    return id
  }
}
