/**
 * Loaded before a gateway (`node --import`): how long its main thread was busy without a break. On SIGUSR2 it writes
 * what was since the last time to the file that `BENCH_LOOP_DELAY` names. `maxMs` is wall time, so on a busy machine
 * mostly waiting for a core; `cpuMs` is the most that the thread itself worked between two turns of its loop.
 */
import { writeFileSync } from 'node:fs'
import { monitorEventLoopDelay } from 'node:perf_hooks'
import { isMainThread } from 'node:worker_threads'

const file = process.env['BENCH_LOOP_DELAY']
if (isMainThread && file !== undefined) {
  const delay = monitorEventLoopDelay({ resolution: 5 })
  delay.enable()
  let cpuMs = 0
  let last = cpu()
  setInterval(() => {
    const now = cpu()
    cpuMs = Math.max(cpuMs, now - last)
    last = now
  }, 1).unref()
  process.on('SIGUSR2', () => {
    writeFileSync(file, JSON.stringify({ maxMs: delay.max / 1e6, cpuMs }))
    delay.reset()
    cpuMs = 0
  })
}

function cpu(): number {
  const { user, system } = process.threadCpuUsage()
  return (user + system) / 1000
}
