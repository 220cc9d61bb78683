import { connectAsync, type MqttClient } from 'mqtt'
import { Chance } from '../chance.ts'
import type { Position } from '../reading.ts'
import { type Conduct, planOf, type Step } from './conduct.ts'

export interface CrewOptions {
  readonly mqttUrl: string
  readonly httpUrl: string
  /** A bearer token that may let people in. */
  readonly token: string
  readonly seed: number
  readonly conduct: Conduct
}

/** What an order says (contract §4), as far as a crew needs it. */
interface Order {
  readonly id: string
  readonly street: string
  readonly position: Position | null
  readonly state: string
}

interface Team {
  readonly id: string
  readonly streets?: readonly string[]
}

interface Street {
  readonly id: string
  readonly centre: Position
}

/** What somebody will do, and when. */
interface Task {
  readonly at: number
  readonly order: Order
  readonly team: string
  readonly step: Step
  readonly next: readonly Step[]
}

/** What came of it. */
export interface CrewAccount {
  orders: number
  ignored: number
  actions: number
  /** Actions that the gateway did not take: somebody else had acted meanwhile. */
  refused: number
  closed: number
}

/** The one who checks what crews have done, for all streets. */
const OFFICER = 'sim-officer'

/**
 * A crew for every team of the district, each signed in over MQTT: takes up orders one after the other, travels, arrives with
 * its position, sees to the matter; and an officer who checks and closes over HTTP. They live by the time that
 * {@link advance} tells them: the wall clock's, or that of a driven run.
 */
export class Crews {
  readonly account: CrewAccount = { orders: 0, ignored: 0, actions: 0, refused: 0, closed: 0 }
  readonly #options: CrewOptions
  readonly #chance: Chance
  readonly #clients = new Map<string, MqttClient>()
  readonly #known = new Set<string>()
  readonly #freeAt = new Map<string, number>()
  #officer = ''
  #arrived: { team: string; order: Order }[] = []
  #tasks: Task[] = []
  #centres = new Map<string, Position>()

  constructor(options: CrewOptions) {
    this.#options = options
    this.#chance = new Chance(options.seed, 'crews')
  }

  /** Lets the crews and their officer in, and has them listen. */
  async start(): Promise<void> {
    const { teams, streets } = (await this.#call('GET', '/api/v1/district?rosters=false')) as {
      teams: Team[]
      streets: Street[]
    }
    this.#centres = new Map(streets.map(({ id, centre }) => [id, centre]))
    this.#officer = `${OFFICER}:${await this.#letIn({ name: OFFICER, role: 'district' })}`
    for (const { id } of teams) {
      const name = `sim-${id}`.slice(0, 64)
      const password = await this.#letIn({ name, role: 'team', team: id })
      const client = await connectAsync(this.#options.mqttUrl, {
        clientId: name,
        username: name,
        password,
        protocolVersion: 4,
      })
      this.#clients.set(id, client)
      client.on('message', (_topic, payload) => this.#hear(id, payload))
      await client.subscribeAsync(`dispatch/${id}/orders/#`, { qos: 1 })
    }
  }

  /** Does everything that is due by now, epoch ms, in order. */
  async advance(now: number): Promise<void> {
    for (const { team, order } of this.#arrived.splice(0)) this.#takeUp(team, order, now)
    for (;;) {
      const index = this.#tasks.findIndex(({ at }) => at <= now)
      if (index < 0) return
      const [task] = this.#tasks.splice(index, 1)
      await this.#act(task!)
    }
  }

  async stop(): Promise<void> {
    await Promise.all([...this.#clients.values()].map(async (client) => await client.endAsync()))
    this.#clients.clear()
  }

  #hear(team: string, payload: Buffer): void {
    // An empty one takes a retained order back.
    if (payload.length === 0) return
    const order = JSON.parse(payload.toString('utf8')) as Order
    const key = `${team} ${order.id}`
    // Told again at every change; what another crew has taken up is theirs.
    if (order.state !== 'dispatched' || this.#known.has(key)) return
    this.#known.add(key)
    this.account.orders++
    this.#arrived.push({ team, order })
  }

  #takeUp(team: string, order: Order, now: number): void {
    const base = this.#centres.get(order.street) ?? order.position
    const site = order.position ?? base
    const steps =
      base === null || site === null
        ? []
        : planOf(this.#chance, `${order.id} ${team}`, base, site, this.#options.conduct)
    if (steps.length === 0) {
      this.account.ignored++
      return
    }
    const begins = Math.max(now, this.#freeAt.get(team) ?? now)
    const busy = steps.slice(0, 3).reduce((sum, { after }) => sum + after, 0)
    this.#freeAt.set(team, begins + busy)
    this.#plan(begins, order, team, steps)
  }

  #plan(from: number, order: Order, team: string, [step, ...next]: readonly Step[]): void {
    if (step === undefined) return
    const task = { at: from + step.after, order, team, step, next }
    const after = this.#tasks.findLastIndex(({ at }) => at <= task.at)
    this.#tasks.splice(after + 1, 0, task)
  }

  async #act({ at, order, team, step, next }: Task): Promise<void> {
    const { who, after: _after, ...request } = step
    const actionId = `${step.action}-${at}`
    this.account.actions++
    if (who === 'crew') {
      const action = JSON.stringify({ case: order.id, actionId, ...request })
      await this.#clients.get(team)!.publishAsync(`dispatch/${team}/actions`, action, { qos: 1 })
    } else {
      const path = `/api/v1/cases/${encodeURIComponent(order.id)}/actions`
      const response = await this.#send('POST', path, { actionId, ...request }, this.#officer)
      // What others did to the case is not for the officer to undo.
      if (!response.ok) {
        this.account.refused++
        return
      }
      if (step.action === 'close') this.account.closed++
    }
    this.#plan(at, order, team, next)
  }

  /** Somebody's secret: a new one when they are known already. */
  async #letIn(user: { name: string; role: string; team?: string }): Promise<string> {
    const created = await this.#send('POST', '/api/v1/users', user)
    const known = created.status === 409
    const answer = known
      ? await this.#call('POST', `/api/v1/users/${user.name}/secret`, {})
      : await created.json()
    if (!known && !created.ok) throw new Error(`${user.name} was not let in (${created.status})`)
    return (answer as { secret: string }).secret
  }

  async #call(method: string, path: string, body?: unknown): Promise<unknown> {
    const response = await this.#send(method, path, body)
    if (!response.ok) throw new Error(`${method} ${path}: the gateway answered ${response.status}`)
    return await response.json()
  }

  async #send(method: string, path: string, body?: unknown, token = this.#options.token): Promise<Response> {
    return await fetch(new URL(path, this.#options.httpUrl), {
      method,
      headers: {
        authorization: `Bearer ${token}`,
        ...(body !== undefined && { 'content-type': 'application/json' }),
      },
      ...(body !== undefined && { body: JSON.stringify(body) }),
      signal: AbortSignal.timeout(30_000),
    })
  }
}
