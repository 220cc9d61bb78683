import { resolve } from 'node:path'
import { ConfigError, loadConfig, type Config } from './config.ts'
import type { Ready } from './gateway.ts'
import { StartError } from './start-error.ts'
import { DrivenClock } from './driven-clock.ts'
import { createLog } from './log.ts'
import { systemClock } from './model/clock.ts'

/** Contract §1: 1 is a job that failed, 2 is wrong usage or configuration. */
const FAILED = 1
const WRONG_USAGE = 2
/** SIGTERM and SIGINT drain and exit 0 within 10 s; whatever hangs is cut off before that. */
const DRAIN_LIMIT_MS = 9_000

export interface Running {
  readonly ready: Ready
  readonly config: Config
  /** Drains and ends the process with exit code 0. */
  end(): Promise<never>
}

/**
 * Runs the gateway in this process: configuration, start, ready line, signals. Ends the process with one
 * line on standard error when it cannot start. `defaults` stand in for keys that neither file nor
 * environment sets; `beforeEnd` runs first when the process is told to stop.
 */
export async function runGateway(options: {
  configFile: string | undefined
  defaults?: NodeJS.ProcessEnv
  beforeEnd?: () => Promise<void>
}): Promise<Running> {
  // What it writes is for its own user alone: hashes of secrets, people's names, where they were.
  process.umask(0o077)
  let config: Config
  try {
    config = loadConfig(options.configFile, { ...options.defaults, ...process.env })
  } catch (error) {
    if (error instanceof ConfigError) return fail(error.message, WRONG_USAGE)
    throw error
  }
  // A typing error in the configuration is told at once, without all of the gateway.
  const { Gateway } = await import('./gateway.ts')
  const log = createLog(config.log.level)
  const clock = config.clock === 'driven' ? new DrivenClock() : systemClock
  const gateway = new Gateway({ config, clock, log })

  let ending: Promise<never> | undefined
  const end = async (): Promise<never> => {
    const cut = setTimeout(() => {
      log.error('drain took too long, ending anyway; what was acknowledged is on disk')
      process.exit(0)
    }, DRAIN_LIMIT_MS)
    cut.unref()
    await options.beforeEnd?.()
    await gateway.stop()
    process.exit(0)
  }
  for (const signal of ['SIGTERM', 'SIGINT'] as const) {
    process.on(signal, () => {
      if (ending !== undefined) return
      log.info({ signal }, 'stopping')
      ending = end()
      ending.catch((error: unknown) => {
        log.fatal({ err: error }, 'stopping failed')
        process.exit(FAILED)
      })
    })
  }

  let ready: Ready
  try {
    ready = await gateway.start()
  } catch (error) {
    if (ending !== undefined) return ending
    // What could not be opened is in the message; the parts that had started are stopped again.
    await gateway.stop().catch(() => {})
    if (error instanceof StartError) return fail(error.message, error.wrongUsage ? WRONG_USAGE : FAILED)
    throw error
  }
  process.stdout.write(`${JSON.stringify(ready)}\n`)
  log.info({ ...ready, dataDir: resolve(config.dataDir) }, 'ready')
  return { ready, config, end }
}

function fail(message: string, code: number): never {
  process.stderr.write(`gridwhistle: ${message}\n`)
  process.exit(code)
}
