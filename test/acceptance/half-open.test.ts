import { execFileSync, spawn, type ChildProcess } from 'node:child_process'
import { existsSync } from 'node:fs'
import { createInterface } from 'node:readline'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { register } from '../device.ts'
import { eventually, GatewayProcess } from '../gateway-process.ts'

/**
 * A peer that is cut off without a word: no FIN, no RST, only silence, as when a router loses power. It takes two
 * hosts and a cable to cut: a network namespace of this test's own, which only root can make.
 */
const NAMESPACE = `gridwhistle-${process.pid}`
const [OUR_END, PEER_END] = [`gwa${process.pid % 1e6}`, `gwb${process.pid % 1e6}`]
const [OURS, PEERS] = ['10.231.0.1', '10.231.0.2']
const FRAME =
  '##0219QN=20240601120000123;ST=31;CN=2011;PW=123456;MN=320613000000000000000001;Flag=5;CP=&&DataTime=20240601120000;a34041-Rtd=2.35,a34041-Flag=N;a34013-Rtd=6.10,a34013-Flag=N;a24088-Rtd=8.412,a24088-Flag=N;SB1-RS=1;SB2-RS=0&&5A00'

const canCut = process.getuid?.() === 0 && existsSync('/usr/sbin/ip')
if (!canCut && process.env['CI'] !== undefined)
  throw new Error('/usr/sbin/ip (Debian package iproute2) as root')

const ip = (...words: string[]) => execFileSync('/usr/sbin/ip', words)
const gateway = new GatewayProcess({
  GW_HOST: OURS,
  GW_HTTP_HOST: '127.0.0.1',
  GW_HJ212_PORT: '0',
  GW_HJ212_IDLE_TIMEOUT: '3s',
})
let peer: ChildProcess | undefined

beforeAll(async () => {
  if (!canCut) return
  ip('netns', 'add', NAMESPACE)
  ip('link', 'add', OUR_END, 'type', 'veth', 'peer', 'name', PEER_END)
  ip('link', 'set', PEER_END, 'netns', NAMESPACE)
  ip('addr', 'add', `${OURS}/30`, 'dev', OUR_END)
  ip('link', 'set', OUR_END, 'up')
  ip('-n', NAMESPACE, 'addr', 'add', `${PEERS}/30`, 'dev', PEER_END)
  ip('-n', NAMESPACE, 'link', 'set', PEER_END, 'up')
  await gateway.start()
})
afterAll(async () => {
  peer?.kill('SIGKILL')
  await gateway.dispose()
  if (!canCut) return
  ip('link', 'del', OUR_END)
  ip('netns', 'del', NAMESPACE)
})

const MONITOR = `
  const socket = require('node:net').connect(Number(process.argv[1]), '${OURS}', () => socket.write(process.argv[2] + '\\r\\n'))
  socket.on('data', (chunk) => process.stdout.write(chunk))
`

test.skipIf(!canCut)(
  'a monitor that vanishes without a word is let go, and its device counts as offline',
  async () => {
    await register(gateway, {
      id: 'fume-1',
      kind: 'cooking_fume',
      protocols: { hj212: { mn: '320613000000000000000001', profile: 'standard' } },
    })
    peer = spawn(
      '/usr/sbin/ip',
      ['netns', 'exec', NAMESPACE, process.execPath, '-e', MONITOR, String(gateway.ports.hj212), FRAME],
      { stdio: ['ignore', 'pipe', 'inherit'] },
    )
    const answer = await new Promise<string>((resolve) =>
      createInterface(peer!.stdout!).once('line', resolve),
    )
    expect(answer).toContain('CN=9014')
    const isOnline = async () =>
      (await gateway.api<{ presence: { online: boolean } }>('GET', '/api/v1/devices/fume-1')).presence.online
    expect(await isOnline()).toBe(true)

    ip('link', 'set', OUR_END, 'down')
    await eventually('fume-1 offline', async () => ((await isOnline()) ? undefined : true))
    expect(peer.exitCode).toBeNull()
  },
)
