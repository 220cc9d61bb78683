interface Node {
  readonly children: Map<string, Node>
  /** QoS by session. */
  readonly holders: Map<string, number>
}

export interface Match {
  readonly clientId: string
  readonly topic: string
  readonly qos: number
}

const node = (): Node => ({ children: new Map(), holders: new Map() })

/** The filters of persistent sessions, found by topic without looking at all of them. */
export class FilterTree {
  #root = node()

  add(filter: string, session: string, qos: number): void {
    let at = this.#root
    for (const level of filter.split('/')) {
      let next = at.children.get(level)
      if (next === undefined) at.children.set(level, (next = node()))
      at = next
    }
    at.holders.set(session, qos)
  }

  remove(filter: string, session: string): void {
    const path: [Node, string][] = []
    let at = this.#root
    for (const level of filter.split('/')) {
      path.push([at, level])
      const next = at.children.get(level)
      if (next === undefined) return
      at = next
    }
    at.holders.delete(session)
    for (const [parent, level] of path.toReversed()) {
      const child = parent.children.get(level)!
      if (child.holders.size > 0 || child.children.size > 0) return
      parent.children.delete(level)
    }
  }

  match(topic: string): Match[] {
    const found: Match[] = []
    const levels = topic.split('/')
    const collect = (from: Node, filter: string): void => {
      for (const [clientId, qos] of from.holders) found.push({ clientId, topic: filter, qos })
    }
    const descend = (from: Node, depth: number, filter: string): void => {
      const path = (level: string) => (depth === 0 ? level : `${filter}/${level}`)
      // [MQTT-4.7.2-1]: a leading wildcard does not match `$…`.
      const wild = depth > 0 || !topic.startsWith('$')
      const rest = wild ? from.children.get('#') : undefined
      if (rest !== undefined) collect(rest, path('#'))
      if (depth === levels.length) {
        collect(from, filter)
        return
      }
      const level = levels[depth]!
      for (const step of wild ? new Set([level, '+']) : [level]) {
        const next = from.children.get(step)
        if (next !== undefined) descend(next, depth + 1, path(step))
      }
    }
    descend(this.#root, 0, '')
    return found
  }

  clear(): void {
    this.#root = node()
  }
}
