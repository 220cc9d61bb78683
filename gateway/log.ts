import { isatty } from 'node:tty'
import { pino, type Logger } from 'pino'
import pretty from 'pino-pretty'

export type Log = Logger

/** JSON lines on standard error; pretty when it is a terminal. Secrets never reach a log call. */
export function createLog(level: string): Log {
  const stream = isatty(2)
    ? pretty({ destination: 2, sync: true })
    : pino.destination({ dest: 2, sync: true })
  return pino({ level, base: null, timestamp: pino.stdTimeFunctions.isoTime }, stream)
}
