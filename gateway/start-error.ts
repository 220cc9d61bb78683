import { RuleError } from '../rules/pack.ts'
import { ConfigError } from './config.ts'

/** The gateway cannot start; the message is one line that says what and where. */
export class StartError extends Error {
  override readonly name = 'StartError'
  readonly wrongUsage: boolean

  constructor(message: string, wrongUsage = false) {
    super(message)
    this.wrongUsage = wrongUsage
  }
}

/** What made a start fail, as a {@link StartError} where people can do something about it; else as it is. */
export function startErrorOf(error: unknown, dataDir: string): unknown {
  if (error instanceof StartError) return error
  if (error instanceof ConfigError || error instanceof RuleError) return new StartError(error.message, true)
  if (!(error instanceof Error)) return error
  const { code, message } = error as NodeJS.ErrnoException
  if (code !== undefined && /^E[A-Z]+$/.test(code)) return new StartError(explain(error))
  if (code === 'ERR_SQLITE_ERROR')
    return new StartError(
      `dataDir: ${dataDir}: ${message}; its disk may be full, a file in it damaged or not writable`,
    )
  return message.startsWith('journal ') ? new StartError(message) : error
}

/** System errors say what failed, not what to do about it. */
function explain(error: NodeJS.ErrnoException & { address?: string; port?: number }): string {
  const { code, message, address, port } = error
  if (code === 'EADDRINUSE') {
    return `port ${port} on ${address} is in use; stop the other program or set another port (0 means any free one)`
  }
  if (code === 'EACCES' && port !== undefined) return `port ${port} on ${address}: this user may not open it`
  return message
}
