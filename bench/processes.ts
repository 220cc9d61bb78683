import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { createInterface } from 'node:readline'

/** A program under measurement. */
export class Program {
  readonly name: string
  readonly #child: ChildProcess
  #error = ''

  private constructor(name: string, child: ChildProcess) {
    this.name = name
    this.#child = child
    child.stderr?.on('data', (chunk: Buffer) => {
      this.#error = (this.#error + chunk.toString()).slice(-5000)
    })
  }

  /** Starts it and waits for the first line on standard output (or error) that matches. */
  static async launch(
    name: string,
    command: string,
    args: readonly string[],
    ready: RegExp,
    options: { env?: Record<string, string>; cwd?: string; readyMs?: number } = {},
  ): Promise<{ program: Program; line: string }> {
    const child = spawn(command, args, {
      ...(options.cwd !== undefined && { cwd: options.cwd }),
      env: { ...process.env, ...options.env },
      stdio: ['ignore', 'pipe', 'pipe'],
    })
    const program = new Program(name, child)
    const { readyMs = 30_000 } = options
    const line = await new Promise<string>((resolve, reject) => {
      const heard = (line: string) => {
        if (ready.test(line)) resolve(line)
      }
      for (const stream of [child.stdout, child.stderr]) createInterface(stream).on('line', heard)
      child.once('exit', (code) =>
        reject(new Error(`${name} ended with ${code} before it was ready:\n${program.#error}`)),
      )
      child.once('error', reject)
      setTimeout(
        () => reject(new Error(`${name} is not ready after ${readyMs / 1000} s:\n${program.#error}`)),
        readyMs,
      ).unref()
    })
    return { program, line }
  }

  get pid(): number {
    return this.#child.pid!
  }

  async stop(): Promise<void> {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return
    const gone = once(this.#child, 'exit')
    this.#child.kill('SIGTERM')
    const hurry = setTimeout(() => this.#child.kill('SIGKILL'), 12_000)
    await gone
    clearTimeout(hurry)
  }
}

const TICKS_PER_SECOND = 100

/** CPU seconds (user and system, all threads) of a process so far: fields 14 and 15 of proc(5) `stat`. */
export function cpuSeconds(pid: number): number {
  const stat = readFileSync(`/proc/${pid}/stat`, 'utf8')
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
  return (Number(fields[11]) + Number(fields[12])) / TICKS_PER_SECOND
}

/** Resident memory, bytes. */
export function residentBytes(pid: number): number {
  return Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))![1]) * 1024
}

/** Notes the CPU of programs ten times a second, so that it can be told for any stretch of a run. */
export class CpuWatch {
  readonly #programs: readonly Program[]
  readonly #samples: { readonly at: number; readonly seconds: readonly number[] }[] = []
  readonly #timer: NodeJS.Timeout

  constructor(programs: readonly Program[]) {
    this.#programs = programs
    this.#look()
    this.#timer = setInterval(() => this.#look(), 100)
  }

  /** CPU seconds of each program between two times, epoch ms. */
  stop(from: number, to: number): Record<string, number> {
    clearInterval(this.#timer)
    this.#look()
    const at = (time: number) => this.#samples.find((sample) => sample.at >= time) ?? this.#samples.at(-1)!
    const [before, after] = [at(from), at(to)]
    return Object.fromEntries(
      this.#programs.map(({ name }, index) => [name, after.seconds[index]! - before.seconds[index]!]),
    )
  }

  #look(): void {
    this.#samples.push({ at: Date.now(), seconds: this.#programs.map(({ pid }) => cpuSeconds(pid)) })
  }
}
