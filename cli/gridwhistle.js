#!/usr/bin/env node
// The package's command. Plain JavaScript that Node 20 understands: where the machine's own Node cannot run
// TypeScript, it starts the one that comes with the package (npm package `node`) on the same arguments.
import { spawn } from 'node:child_process'
import { createRequire } from 'node:module'
import { constants } from 'node:os'
import { fileURLToPath } from 'node:url'

const NEEDED = 24
const command = new URL('./gridwhistle.ts', import.meta.url)

if (Number(process.versions.node.split('.')[0]) >= NEEDED) {
  await import(command.href)
} else {
  const child = spawn(bundledNode(), [fileURLToPath(command), ...process.argv.slice(2)], { stdio: 'inherit' })
  // A terminal signals both of us; a supervisor only this process. Twice is harmless: the first one counts.
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(signal, () => child.kill(signal))
  child.on('error', (error) => {
    process.stderr.write(`gridwhistle: cannot start ${child.spawnfile}: ${error.message}\n`)
    process.exitCode = 1
  })
  child.on('exit', (code, signal) => {
    process.exitCode = code ?? 128 + (constants.signals[signal] ?? 0)
  })
}

function bundledNode() {
  try {
    return createRequire(import.meta.url).resolve('node/bin/node')
  } catch {
    throw new Error(`gridwhistle needs Node ${NEEDED} or newer; this is ${process.version}`)
  }
}
