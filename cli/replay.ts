import { Command, InvalidArgumentError, Option } from 'commander'
import { DateTime } from 'luxon'
import { mapFile } from '../simulators/built-in.ts'
import { readRecordingMap } from '../simulators/recording-map.ts'
import { replay, type ReplayResult, type Shift } from '../simulators/replay.ts'
import { Secrets } from '../simulators/secrets.ts'
import { stopSignal } from './exit.ts'
import { duration, positiveNumber, wholeNumber } from './options.ts'
import { Progress } from './progress.ts'
import { mqttOptions, targetOf, type TargetOptions } from './target.ts'

interface Options extends TargetOptions {
  map: string
  speed: number
  shift: Shift
  devicePrefix: string
  secrets?: string
  batch: number
  inFlight: number
  maxGap: number
  json?: true
}

export function replayCommand(): Command {
  return mqttOptions(new Command('replay'))
    .description('play a recording (CSV, also .gz) through MQTT')
    .argument('<file>', 'the recording')
    .requiredOption('--map <map>', 'how columns become metrics: a YAML file, or the name of a built-in map')
    .option('--speed <factor>', 'times as fast as recorded, or max', speed, 1)
    .option(
      '--shift <time>',
      'now: the recording ends now; none: times as recorded; or its new first time',
      shift,
      'now',
    )
    .option('--device-prefix <text>', 'in front of the ids of the devices of the map', 'sim-')
    .option('--batch <n>', 'readings in one message', wholeNumber(1, 1000), 1)
    .option(
      '--in-flight <n>',
      'messages that may wait for their acknowledgement',
      wholeNumber(1, 10_000),
      100,
    )
    .addOption(
      new Option('--max-gap <time>', 'longest pause where the recording has a hole')
        .argParser(duration)
        .default(60_000, '1m'),
    )
    .option('--secrets <file>', 'keep the secrets of devices here (mode 0600) for the next run')
    .option('--json', 'print the account as JSON')
    .addHelpText(
      'after',
      `
Order and intervals are kept. Built-in maps: usgs-01581752, usgs-01589330; write your own after theirs
(simulators/maps). Without a token the devices must be registered and their secrets be in --secrets.

Example:
  gridwhistle replay river.csv.gz --map river.yaml --speed 10 --shift now --to mqtt://127.0.0.1:1883`,
    )
    .action(async (file: string, options: Options) => {
      const map = readRecordingMap(mapFile(options.map))
      const { mqttUrl, httpUrl, token } = targetOf(options)
      const progress = new Progress('replaying')
      let result: ReplayResult
      try {
        result = await replay({
          ...options,
          file,
          map,
          mqttUrl,
          ...(token !== undefined && { registry: { httpUrl, token } }),
          secrets: new Secrets(options.secrets),
          signal: stopSignal(),
          onProgress: (done, rows) => progress.update(done, rows, `${done} of ${rows} rows`),
        })
      } finally {
        progress.stop()
      }
      process.stdout.write(`${options.json === true ? JSON.stringify(result) : inWords(result)}\n`)
      if (!result.complete || result.refused > 0) throw new Error('not every reading was taken in')
    })
}

function inWords({
  rows,
  sent,
  acknowledged,
  refused,
  skipped,
  first,
  last,
  complete,
}: ReplayResult): string {
  const left = Object.entries(skipped).map(([reason, count]) => `${count} ${reason.replaceAll('_', ' ')}`)
  return [
    `${rows} rows${complete ? '' : ' (stopped early)'}, ${first} to ${last}`,
    `${sent} readings sent, ${acknowledged} acknowledged, ${refused} refused`,
    `left out: ${left.length === 0 ? 'nothing' : left.join(', ')}`,
  ].join('\n')
}

function speed(text: string): number {
  return text === 'max' ? Infinity : positiveNumber(text)
}

function shift(text: string): Shift {
  if (text === 'now' || text === 'none') return text
  const time = DateTime.fromISO(text, { zone: 'Asia/Shanghai' })
  if (time.isValid) return time.toMillis()
  throw new InvalidArgumentError('Expected now, none or a time such as 2026-06-18T18:00:00+08:00.')
}
