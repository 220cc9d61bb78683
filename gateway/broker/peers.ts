import { Allowance } from '../model/allowance.ts'
import type { Principal } from '../model/user.ts'
import type { Connection } from './connection.ts'
import { MAKES_ROOM_AFTER_MS } from './limits.ts'
import { topicBytes } from './readings-lane.ts'
import { readRights, type Levels } from './topic-rights.ts'

/** A device or user that is signed in, with all its connections: limits and presence are the peer's, not a socket's. */
export class Peer {
  /** `device/{id}` or `user/{name}`: the first part of its session keys, so that no one can name another's session. */
  readonly owner: string
  readonly name: string
  /** What every message of a device is compared with first; empty for users, which no topic is. */
  readonly readingsTopic: string
  /** The same as it stands in a PUBLISH. */
  readonly readingsTopicBytes: Buffer
  readonly allowance: Allowance
  readonly connections = new Set<Connection>()
  principal: Principal
  rights: readonly Levels[] = []

  constructor(principal: Principal, allowance: Allowance) {
    this.principal = principal
    this.owner = ownerOf(principal)
    this.name = nameOf(principal)
    this.readingsTopic = principal.type === 'device' ? `v1/${principal.device}/readings` : ''
    this.readingsTopicBytes = topicBytes(this.readingsTopic)
    this.allowance = allowance
  }
}

export function nameOf(principal: Principal): string {
  return principal.type === 'device' ? principal.device : principal.user.name
}

export function ownerOf(principal: Principal): string {
  return `${principal.type}/${nameOf(principal)}`
}

export class Peers {
  readonly #peers = new Map<string, Peer>()
  readonly #streetsOf: (team: string) => readonly string[]
  readonly #perSecond: number
  readonly #connectionsEach: number

  constructor(streetsOf: (team: string) => readonly string[], perSecond: number, connectionsEach: number) {
    this.#streetsOf = streetsOf
    this.#perSecond = perSecond
    this.#connectionsEach = connectionsEach
  }

  get(owner: string): Peer | undefined {
    return this.#peers.get(owner)
  }

  all(): Iterable<Peer> {
    return this.#peers.values()
  }

  /**
   * Joins a connection that has signed in to its peer, and says which older one has to go for it: the one with the
   * same client id [MQTT-3.1.4-2]; or, when the peer has too many, the one silent for longest, if that is long
   * enough for it to be a corpse. A device on a bad network leaves half-open connections behind and comes back with
   * a new client id: refusing it until their keepalive has passed would cost its readings. Where all are alive the
   * newcomer is refused (null), so that two clients with one secret do not throw each other out for ever.
   */
  join(connection: Connection, session: string, principal: Principal): { leaves: Connection | null } | null {
    const owner = ownerOf(principal)
    let peer = this.#peers.get(owner)
    let leaves: Connection | null = null
    if (peer === undefined) {
      peer = new Peer(principal, new Allowance(this.#perSecond, performance.now()))
      this.#peers.set(owner, peer)
    } else {
      const others = [...peer.connections]
      leaves = others.find((other) => other.session === session) ?? null
      if (leaves === null && others.length >= this.#connectionsEach) {
        leaves = others.reduce((a, b) => (b.heardAt < a.heardAt ? b : a))
        if (performance.now() - leaves.heardAt < MAKES_ROOM_AFTER_MS) return null
      }
    }
    // Signed in just now: what the registry said is newer than what an older connection was told.
    this.revise(peer, principal)
    peer.connections.add(connection)
    connection.peer = peer
    connection.session = session
    return { leaves }
  }

  /** Takes the rights from what the principal is now. */
  revise(peer: Peer, principal: Principal): void {
    peer.principal = principal
    peer.rights = readRights(principal, this.#streetsOf)
  }

  /** True when it was the peer's last connection. */
  leave(connection: Connection): boolean {
    const { peer } = connection
    if (peer === null || !peer.connections.delete(connection)) return false
    if (peer.connections.size > 0) return false
    this.#peers.delete(peer.owner)
    return true
  }
}
