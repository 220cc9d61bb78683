import { Counter, Gauge, Histogram, Registry, collectDefaultMetrics } from 'prom-client'
import { CASE_STATES } from '../model/case.ts'
import type { EventStream } from './event-stream.ts'
import type { HttpParts } from './parts.ts'

/**
 * `/metrics`. Labels come from closed lists of ours (severities, states, consumers, route patterns), never
 * from what devices or people send, so the number of series is bounded.
 */
export class Metrics {
  readonly registry = new Registry()
  readonly #requests: Histogram<'method' | 'route' | 'status'>

  /** Numbers are read when Prometheus asks, from those who keep them: nothing is counted twice. */
  constructor(
    { journal, judge, alarms, cases, connections, lag, announcer }: HttpParts,
    stream: EventStream,
  ) {
    const registers = [this.registry]
    this.#requests = new Histogram({
      name: 'gridwhistle_http_request_duration_seconds',
      help: 'Time to answer HTTP requests',
      labelNames: ['method', 'route', 'status'],
      buckets: [0.001, 0.005, 0.02, 0.1, 0.5, 2, 10],
      registers,
    })
    counter('received', 'Readings received', () => journal.ledger().received)
    counter('accepted', 'Readings in the journal, fsynced', () => journal.ledger().accepted)
    counter('duplicates', 'Readings that were known already', () => journal.ledger().duplicates)
    counter('quarantined', 'Readings refused to the quarantine', () => journal.ledger().quarantined)
    counter('stored', 'Accepted readings that the historian holds', () => journal.ledger().stored)
    counter('late', 'Accepted readings too late to be judged', () => judge.late())
    gauge(
      'gridwhistle_readings_pending',
      'Accepted readings not yet in the historian',
      () => journal.ledger().pending,
    )
    gauge('gridwhistle_mqtt_connections', 'MQTT connections', connections)
    gauge('gridwhistle_event_clients', 'Clients of /events', () => stream.clients)
    labelled('gridwhistle_consumer_lag_readings', 'Readings a consumer is behind', 'consumer', lag)
    labelled('gridwhistle_alarms_firing', 'Alarms that are firing', 'severity', () =>
      alarms.firingBySeverity(),
    )
    labelled('gridwhistle_announcements', 'Announcements that are not delivered', 'state', () =>
      announcer.totals(),
    )
    labelled('gridwhistle_cases_open', 'Open cases', 'state', () =>
      complete(
        CASE_STATES.filter((state) => state !== 'closed' && state !== 'void'),
        cases.openByState(),
      ),
    )

    function counter(name: string, help: string, read: () => number): void {
      const made: Counter = new Counter({
        name: `gridwhistle_readings_${name}_total`,
        help,
        registers,
        collect: () => {
          made.reset()
          made.inc(read())
        },
      })
    }

    function gauge(name: string, help: string, read: () => number): void {
      const made: Gauge = new Gauge({ name, help, registers, collect: () => made.set(read()) })
    }

    function labelled(
      name: string,
      help: string,
      label: string,
      read: () => Readonly<Record<string, number>>,
    ): void {
      const made: Gauge = new Gauge({
        name,
        help,
        labelNames: [label],
        registers,
        collect: () => {
          made.reset()
          for (const [value, count] of Object.entries(read())) made.set({ [label]: value }, count)
        },
      })
    }
  }

  /** Also measures the process: event-loop delay, CPU, memory, garbage collection. */
  start(): void {
    collectDefaultMetrics({ register: this.registry })
  }

  stop(): void {
    this.registry.clear()
  }

  /** `route` is the pattern, not the address that was asked for. */
  observe(method: string, route: string, status: number, seconds: number): void {
    this.#requests.observe({ method, route, status: `${Math.floor(status / 100)}xx` }, seconds)
  }
}

/** A zero for what is not there: a series that vanishes reads as unknown. */
function complete(
  names: readonly string[],
  counts: Readonly<Partial<Record<string, number>>>,
): Record<string, number> {
  return Object.fromEntries(names.map((name) => [name, counts[name] ?? 0]))
}
