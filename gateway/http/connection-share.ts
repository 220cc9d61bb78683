import type { Server, Socket } from 'node:net'
import { addressKey } from '../people/address-key.ts'

/**
 * One address of the internet holds `share` connections at most, or a single phone that opens them and sends nothing
 * would keep everybody out. Not for this machine, and not for whoever stands before the gateway for many others.
 */
export function shareConnections(
  server: Server,
  share: number,
  isForMany: (address: string) => boolean,
): void {
  const held = new Map<string, number>()
  server.on('connection', (socket: Socket) => {
    const address = socket.remoteAddress ?? ''
    if (isForMany(address)) return
    const key = addressKey(address)
    const count = (held.get(key) ?? 0) + 1
    if (count > share) {
      socket.destroy()
      return
    }
    held.set(key, count)
    socket.once('close', () => {
      const left = held.get(key)! - 1
      if (left === 0) held.delete(key)
      else held.set(key, left)
    })
  })
}

/** This machine itself. */
export function isLoopback(address: string): boolean {
  return /^(::ffff:)?127\./i.test(address) || address === '::1'
}
