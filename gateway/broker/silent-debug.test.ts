import { spawnSync } from 'node:child_process'
import { expect, test } from 'vitest'

const program = `
  await import(${JSON.stringify(new URL('../gateway.ts', import.meta.url).href)})
  const { createRequire } = await import('node:module')
  const require = createRequire(import.meta.url)
  const parser = require(require.resolve('mqtt-packet', { paths: [require.resolve('aedes')] })).parser()
  parser.on('packet', (packet) => process.stdout.write(packet.cmd))
  parser.parse(Buffer.from([0xc0, 0]))
`

test('the parser says nothing of what devices send, whatever DEBUG is set to', () => {
  const run = spawnSync(process.execPath, ['--input-type=module', '-e', program], {
    cwd: new URL('.', import.meta.url),
    env: { ...process.env, DEBUG: '*' },
    encoding: 'utf8',
  })
  expect(run.stdout).toBe('pingreq')
  expect(run.stderr).not.toContain('mqtt-packet')
})
