import { Counter, Gauge, Histogram, Registry, collectDefaultMetrics } from 'prom-client'
import { SEVERITIES, type Severity } from '../model/alarm.ts'
import { CASE_STATES, type CaseState } from '../model/case.ts'
import type { Ledger } from '../model/pipeline.ts'

/** What the numbers are read from when Prometheus asks; nothing is counted twice. */
export interface Measured {
  ledger(): Ledger & { readonly late: number }
  /** MQTT connections now. */
  connections(): number
  eventClients(): number
  /** Readings that each consumer of the journal has yet to deal with. */
  lag(): Readonly<Record<string, number>>
  firingAlarms(): Readonly<Record<Severity, number>>
  /** Cases that are not closed or void. */
  openCases(): Readonly<Partial<Record<CaseState, number>>>
}

/**
 * `/metrics`. Labels come from closed lists of ours (severities, states, consumers, route patterns), never
 * from what devices or people send, so the number of series is bounded.
 */
export class Metrics {
  readonly registry = new Registry()
  readonly #requests: Histogram<'method' | 'route' | 'status'>

  constructor(measured: Measured) {
    const registers = [this.registry]
    this.#requests = new Histogram({
      name: 'gridwhistle_http_request_duration_seconds',
      help: 'Time to answer HTTP requests',
      labelNames: ['method', 'route', 'status'],
      buckets: [0.001, 0.005, 0.02, 0.1, 0.5, 2, 10],
      registers,
    })
    for (const [name, help] of [
      ['received', 'Readings received'],
      ['accepted', 'Readings accepted: in the journal, fsynced'],
      ['duplicates', 'Readings that were known already'],
      ['quarantined', 'Readings refused to the quarantine'],
      ['stored', 'Accepted readings that the historian holds'],
      ['late', 'Accepted readings too late to be judged'],
    ] as const) {
      const counter = new Counter({
        name: `gridwhistle_readings_${name}_total`,
        help,
        registers,
        collect: () => {
          counter.reset()
          counter.inc(measured.ledger()[name])
        },
      })
    }
    gauge(
      'gridwhistle_readings_pending',
      'Accepted readings not yet in the historian',
      () => measured.ledger().pending,
    )
    gauge('gridwhistle_mqtt_connections', 'MQTT connections', () => measured.connections())
    gauge('gridwhistle_event_clients', 'Clients of /events', () => measured.eventClients())
    labelled('gridwhistle_consumer_lag_readings', 'Readings a consumer is behind', 'consumer', () =>
      measured.lag(),
    )
    labelled('gridwhistle_alarms_firing', 'Alarms that are firing', 'severity', () =>
      complete(SEVERITIES, measured.firingAlarms()),
    )
    labelled('gridwhistle_cases_open', 'Open cases', 'state', () =>
      complete(
        CASE_STATES.filter((state) => state !== 'closed' && state !== 'void'),
        measured.openCases(),
      ),
    )

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
