import { mkdtempSync, rmSync } from 'node:fs'
import { createServer, type AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { pino } from 'pino'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { loadConfig } from './config.ts'
import { Gateway } from './gateway.ts'
import { StartError } from './start-error.ts'
import { systemClock } from './model/clock.ts'

let dataDir: string
const lines: { msg: string }[] = []
const log = pino({ level: 'warn' }, { write: (line: string) => lines.push(JSON.parse(line)) })
beforeEach(() => {
  dataDir = mkdtempSync(join(tmpdir(), 'gw-gateway-'))
  lines.length = 0
})
afterEach(() => rmSync(dataDir, { recursive: true }))

function gatewayWith(environment: Record<string, string> = {}): Gateway {
  const config = loadConfig(undefined, {
    GW_DATA_DIR: dataDir,
    GW_MQTT_PORT: '0',
    GW_WS_PORT: '0',
    GW_HTTP_PORT: '0',
    GW_ADMIN_TOKEN: 'test-admin-token-0123456789',
    ...environment,
  })
  return new Gateway({ config, clock: systemClock, log })
}

test.each([0, 1, 5, 20, 40, 60, 80, 100, 150, 200, 300])(
  'told to stop %d ms after the start began, it is not ready afterwards and leaves nothing open',
  async (ms) => {
    const gateway = gatewayWith()
    const starting = gateway.start().then(
      () => 'ready',
      (error: unknown) => error,
    )
    await sleep(ms)
    let ready = false
    void starting.then((outcome) => (ready = outcome === 'ready'))
    await sleep(0)
    const wasReady = ready
    await gateway.stop()
    if (!wasReady) expect(await starting).toBeInstanceOf(StartError)
    // The journal's lock is free and every port closed: another one takes its place at once.
    const next = gatewayWith()
    await next.start()
    await next.stop()
    expect(lines).toEqual([])
  },
)

test('a start that fails half-way stops what had started, so that the next one succeeds', async () => {
  const blocker = createServer()
  await new Promise<void>((resolve) => blocker.listen(0, '127.0.0.1', resolve))
  const port = String((blocker.address() as AddressInfo).port)
  for (const name of ['GW_MQTT_PORT', 'GW_WS_PORT', 'GW_HTTP_PORT']) {
    const gateway = gatewayWith({ [name]: port })
    await expect(gateway.start()).rejects.toThrow(`port ${port} on 127.0.0.1 is in use`)
    await gateway.stop()
  }
  await new Promise((resolve) => blocker.close(resolve))
  const next = gatewayWith()
  await next.start()
  await next.stop()
})
