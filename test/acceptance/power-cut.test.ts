/**
 * The broker's file is not fsynced: a power cut may take from it what was announced, or bring back what was
 * cleared. Here it is done to the file by hand; everything else the gateway keeps is fsynced.
 */
import { cpSync, readdirSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, test } from 'vitest'
import { all, device, signIn } from '../device.ts'
import { ADMIN_TOKEN, eventually, GatewayProcess } from '../gateway-process.ts'

const rules = fileURLToPath(new URL('../crash/rules', import.meta.url))
const gateway = new GatewayProcess({ GW_RULES_DIR: rules })
beforeAll(() => gateway.start())
afterAll(() => gateway.dispose())

const sessionFiles = () =>
  readdirSync(gateway.dataDir)
    .filter((name) => name.startsWith('sessions.db'))
    .map((name) => join(gateway.dataDir, name))

const fence = 'v1/fence/status'

/** Cases whose orders a team that comes now is given. */
async function retainedOrders(): Promise<string[]> {
  const client = await signIn(gateway, 'admin', ADMIN_TOKEN)
  const cases: string[] = []
  // What is retained comes in the order of the filters, so after the fence there are no more orders.
  const complete = new Promise<void>((resolve) => {
    client.on('message', (topic) => {
      if (topic === fence) resolve()
      else cases.push(topic.split('/')[3]!)
    })
  })
  await client.subscribeAsync(['dispatch/+/orders/+', fence], { qos: 1 })
  await complete
  await client.endAsync()
  return cases.sort()
}

async function ordersBecome(expected: readonly string[]): Promise<void> {
  // Its status is retained again, whatever became of the file.
  const { client } = await device(gateway, { id: 'fence' })
  await eventually(`orders are those of ${expected.join(', ')}`, async () =>
    JSON.stringify(await retainedOrders()) === JSON.stringify([...expected].sort()) ? true : undefined,
  )
  await client.endAsync()
  await gateway.api('DELETE', '/api/v1/devices/fence')
}

test('after a power cut teams find the orders of open cases retained, and no others', async () => {
  for (const id of ['open', 'over']) {
    const { client, send } = await device(gateway, { id })
    await send({ metrics: { fume: 8 } })
    await client.endAsync()
  }
  const cases = await eventually('both cases', async () => {
    const found = await all<{ id: string; site: string }>(gateway, '/api/v1/cases')
    return found.length === 2 ? found : undefined
  })
  const open = cases.find(({ site }) => site === 'site-open')!.id
  const over = cases.find(({ site }) => site === 'site-over')!.id
  await ordersBecome([open, over])

  await gateway.end('SIGKILL')
  const kept = join(gateway.dataDir, 'kept')
  for (const path of sessionFiles()) cpSync(path, join(kept, path.slice(gateway.dataDir.length)))
  await gateway.start()
  await gateway.api('POST', `/api/v1/cases/${over}/actions`, { action: 'void' })
  await ordersBecome([open])

  // So that the registry has it on file that this order is cleared.
  await gateway.end('SIGTERM')
  for (const path of sessionFiles()) rmSync(path)
  cpSync(kept, gateway.dataDir, { recursive: true })
  await gateway.start()
  await ordersBecome([open])

  await gateway.end('SIGKILL')
  for (const path of sessionFiles()) rmSync(path)
  await gateway.start()
  await ordersBecome([open])
})
