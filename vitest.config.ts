import { fileURLToPath } from 'node:url'
import { defineConfig } from 'vitest/config'

export default defineConfig({
  test: {
    include: [
      'gateway/**/*.test.ts',
      'rules/**/*.test.ts',
      'adapters/**/*.test.ts',
      'simulators/**/*.test.ts',
      'cli/**/*.test.ts',
      'test/**/*.test.ts',
    ],
    // Two cores, real services: more workers only make the noise louder.
    maxWorkers: 2,
    // Tests start the gateway some hundred times: its files are read and stripped of their types once.
    env: { NODE_COMPILE_CACHE: fileURLToPath(new URL('node_modules/.cache/compiled', import.meta.url)) },
    testTimeout: 30_000,
    hookTimeout: 60_000,
  },
})
