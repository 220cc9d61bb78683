import { Command, InvalidArgumentError, Option } from 'commander'
import { DEVICE_LIMIT, load, type LoadPhase, type LoadResult } from '../simulators/load.ts'
import { PROTOCOLS, type Protocol } from '../simulators/load/fleet.ts'
import type { Qos } from '../simulators/load/frames.ts'
import type { Latency } from '../simulators/load/gauge.ts'
import type { Metrics } from '../simulators/load/payload.ts'
import { Secrets } from '../simulators/secrets.ts'
import { WrongUsage } from '../simulators/wrong-usage.ts'
import { stopSignal } from './exit.ts'
import { duration, positiveNumber, wholeNumber } from './options.ts'
import { Progress } from './progress.ts'
import { hj212Option, mqttOptions, type Target, targetOf, type TargetOptions, tokenOf } from './target.ts'

interface Options extends TargetOptions {
  devices: number
  rate?: number
  inFlight: number
  batch: number
  protocol: Protocol
  qos: '0' | '1' | '2'
  verify?: true
  duration: number
  drain: number
  topic: string
  devicePrefix: string
  register: boolean
  secrets?: string
  secretOf?: string
  probe?: number
  probeTopic: string
  probeMetrics: Metrics
  probeUser: string
  probeSecret?: string
  allowRemote?: true
  json?: true
}

/** A load is a test, not a way of life. */
const LONGEST = 3_600_000

export function loadCommand(): Command {
  const command = hj212Option(mqttOptions(new Command('load')))
    .description('load a gateway and account for every reading')
    .option('--devices <n>', 'connections, each a device of its own', wholeNumber(0, DEVICE_LIMIT), 100)
    .option(
      '--rate <n>',
      'readings a second in all, on a fixed schedule (default: as fast as acknowledged)',
      positiveNumber,
    )
    .option(
      '--in-flight <n>',
      'messages of a device that wait for acknowledgement',
      wholeNumber(1, 65_535),
      1,
    )
    .option('--batch <n>', 'readings in one message', wholeNumber(1, 1000), 1)
    .addOption(new Option('--duration <time>', 'how long').argParser(limitedDuration).default(30_000, '30s'))
    .addOption(
      new Option('--drain <time>', 'how long to wait for the last acknowledgements')
        .argParser(limitedDuration)
        .default(10_000, '10s'),
    )
    .option('--topic <topic>', 'where a device publishes', 'v1/{device}/readings')
    .option('--device-prefix <text>', 'in front of the number of each device', 'load-')
    .option('--no-register', 'do not register devices: they are known, or the broker asks for no sign-in')
    .option('--secrets <file>', 'keep the secrets of devices here (mode 0600) for the next run')
    .option('--secret-of <pattern>', 'the secret of every device, such as key-{device}')
    .option('--allow-remote', 'load another machine than this one')
    .option('--json', 'print the account as JSON')
  command
    .addOption(new Option('--protocol <name>', 'how').choices(PROTOCOLS).default('mqtt'))
    .addOption(
      new Option('--qos <n>', 'of MQTT; at 0 nothing is acknowledged, and the ledger tells what arrived')
        .choices(['0', '1', '2'])
        .default('1'),
    )
    .option(
      '--verify',
      'read everything back: order, loss and doubles in the journal, counts in the historian',
    )
  return command
    .option('--probe <n>', 'beside the load, so many devices trip an alarm', wholeNumber(1, 10_000))
    .option('--probe-topic <filter>', 'where what a probe leads to is read', 'alarms/#')
    .option('--probe-metrics <json>', 'what a probe says', metrics, { fume: 9, fan: true })
    .option('--probe-user <name>', 'who reads it', 'admin')
    .option('--probe-secret <secret>', 'and their secret (default: the token)')
    .addHelpText(
      'after',
      `
Without --rate the loop is closed: each device sends its next message when one is acknowledged. With it the
loop is open, and latency counts from the moment a message was due, so a stalled gateway cannot hide.
A probe needs a rule that fires at once (for: 0s). On dispatch/# it is measured up to the crew's order, which the
gateway sends for simulated devices only with dispatch.simulated. With a token the gateway's ledger is compared
before and after. Exits with 1 when a reading or a probe went unanswered or is not where it should be.

Examples:
  gridwhistle load --devices 1000 --in-flight 10 --duration 30s --json
  gridwhistle load --devices 5000 --rate 20000 --probe 100
  gridwhistle load --protocol hj212 --devices 2000 --in-flight 1 --verify
  gridwhistle load --no-register --topic 'v1/{device}/readings' --to mqtt://127.0.0.1:1884`,
    )
    .action(async (options: Options) => {
      const target = targetOf(options)
      if (options.allowRemote !== true) mustBeHere(target)
      const signal = stopSignal()
      const phases = new Map<LoadPhase, Progress>()
      let result: LoadResult
      try {
        result = await load({
          protocol: options.protocol,
          qos: Number(options.qos) as Qos,
          verify: options.verify === true,
          mqttUrl: target.mqttUrl,
          httpUrl: target.httpUrl,
          hj212Url: target.hj212Url,
          ...(options.register && { token: tokenOf(target) }),
          secrets: new Secrets(options.secrets),
          ...(options.secretOf !== undefined && { secretOf: options.secretOf }),
          devicePrefix: options.devicePrefix,
          devices: options.devices,
          topic: options.topic,
          ...(options.rate !== undefined && { rate: options.rate }),
          inFlight: options.inFlight,
          batch: options.batch,
          duration: options.duration,
          drain: options.drain,
          ...(options.probe !== undefined && { probe: probeOf(options, options.probe, target) }),
          signal,
          onProgress: (phase, done, of) => bar(phases, phase).update(done, of),
        })
      } finally {
        for (const progress of phases.values()) progress.stop()
      }
      process.stdout.write(`${options.json === true ? JSON.stringify(result) : inWords(result)}\n`)
      if (!result.complete) throw new Error('something went unanswered')
    })
}

/** One bar after the other. */
function bar(phases: Map<LoadPhase, Progress>, phase: LoadPhase): Progress {
  let progress = phases.get(phase)
  if (progress === undefined) {
    for (const earlier of phases.values()) earlier.stop()
    progress = new Progress(phase)
    phases.set(phase, progress)
  }
  return progress
}

function probeOf(options: Options, count: number, target: Target) {
  const anonymous = !options.register && options.probeSecret === undefined
  return {
    count,
    metrics: options.probeMetrics,
    topic: options.probeTopic,
    ...(!anonymous && { user: options.probeUser, password: options.probeSecret ?? tokenOf(target) }),
  }
}

function mustBeHere({ mqttUrl, httpUrl, hj212Url }: Target): void {
  for (const url of [mqttUrl, httpUrl, hj212Url]) {
    const { hostname } = new URL(url)
    if (hostname === 'localhost' || hostname === '[::1]' || /^127(\.\d+){3}$/.test(hostname)) continue
    throw new WrongUsage(`${hostname} is another machine; --allow-remote if its owner agrees`)
  }
}

function limitedDuration(text: string): number {
  const length = duration(text)
  if (length <= LONGEST) return length
  throw new InvalidArgumentError('Expected at most 1h.')
}

function metrics(text: string): Metrics {
  try {
    const parsed: unknown = JSON.parse(text)
    if (typeof parsed === 'object' && parsed !== null && !Array.isArray(parsed)) return parsed as Metrics
  } catch {
    // Said below.
  }
  throw new InvalidArgumentError('Expected a JSON object such as {"fume":9}.')
}

function inWords(result: LoadResult): string {
  const { latency, errors, firstError, cpu, probe, ledger, lost, verified } = result
  const rows: [string, string][] = [
    ['offered', `${result.offered} readings`],
    ['sent', `${result.sent}`],
    ['acknowledged', result.qos === 0 ? 'nothing is, at QoS 0' : `${result.acked} in ${result.seconds} s`],
    ['rate', `${result.rate}/s`],
  ]
  if (latency !== null) rows.push(['acknowledgement', percentiles(latency)])
  if (probe !== null) rows.push(['probes', `${probe.answered} of ${probe.tripped} answered`])
  if (probe?.latency != null) rows.push(['reading to answer', percentiles(probe.latency)])
  if (ledger !== null) {
    const { received, accepted, duplicates, quarantined, late } = ledger
    rows.push([
      'ledger',
      `${received} received: ${accepted} accepted, ${duplicates} duplicates, ${quarantined} quarantined; ${late} late`,
    ])
    rows.push(['lost', `${lost}`])
  }
  if (verified !== null) {
    const { inJournal, missing, surplus, disordered, inHistorian } = verified
    rows.push([
      'read back',
      `${inJournal} in the journal: ${missing} missing, ${surplus} too many, ${disordered} out of order; ` +
        `${inHistorian} in the historian`,
    ])
  }
  rows.push(['load process', `${cpu.share} cores, ${cpu.microsecondsPerReading ?? '–'} µs a reading`])
  if (errors > 0) rows.push(['errors', `${errors}, the first: ${firstError}`])
  const width = Math.max(...rows.map(([name]) => name.length))
  return rows.map(([name, text]) => `${name.padEnd(width)}  ${text}`).join('\n')
}

function percentiles({ p50, p90, p99, p999, max }: Latency): string {
  return `p50 ${p50} ms, p90 ${p90}, p99 ${p99}, p99.9 ${p999}, max ${max}`
}
