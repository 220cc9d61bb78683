import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { cli } from './gateway-process.ts'

export interface Outcome {
  readonly code: number | null
  readonly out: string
  readonly err: string
}

interface Options {
  readonly env?: NodeJS.ProcessEnv
  readonly cwd?: string
}

/** Whatever hangs is ended after this, ms. */
const LIMIT_MS = 60_000

/** Runs a program to its end and answers what it said, whatever its exit code. */
export async function run(program: string, args: readonly string[], options: Options = {}): Promise<Outcome> {
  const child = spawn(program, args, {
    ...options,
    stdio: ['ignore', 'pipe', 'pipe'],
    timeout: LIMIT_MS,
    killSignal: 'SIGKILL',
  })
  let out = ''
  let err = ''
  child.stdout.on('data', (chunk: Buffer) => (out += chunk.toString()))
  child.stderr.on('data', (chunk: Buffer) => (err += chunk.toString()))
  const [code] = (await once(child, 'close')) as [number | null]
  return { code, out, err }
}

/** Our own command line, as a process. */
export function gridwhistle(args: readonly string[], options: Options = {}): Promise<Outcome> {
  return run(process.execPath, [cli, ...args], options)
}
