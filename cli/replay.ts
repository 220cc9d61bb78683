import { Command, InvalidArgumentError, Option } from 'commander'
import { DateTime } from 'luxon'
import { mapFile } from '../simulators/built-in.ts'
import { PauseSwitch } from '../simulators/replay-clock.ts'
import { FORMATS, type Format, replay, type ReplayResult, type Shift } from '../simulators/replay.ts'
import { Secrets } from '../simulators/secrets.ts'
import { stopSignal } from './exit.ts'
import { duration, positiveNumber, wholeNumber } from './options.ts'
import { obeyKeys } from './pause-keys.ts'
import { Progress } from './progress.ts'
import { hj212Option, mqttOptions, targetOf, type TargetOptions } from './target.ts'

interface Options extends TargetOptions {
  map?: string
  format?: Format
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
  const command = hj212Option(mqttOptions(new Command('replay')))
    .description('play a recording: CSV, JSON, messages of `record`, MAVLink .tlog, HJ 212 logs; also .gz')
    .argument('<file>', 'the recording')
    .option(
      '--map <map>',
      'how columns become metrics, or who speaks: a YAML file, or the name of a built-in map',
    )
    .addOption(new Option('--format <format>', 'what the file holds (default: by its name)').choices(FORMATS))
    .option('--speed <factor>', 'times as fast as recorded, or max', speed, 1)
    .option(
      '--shift <time>',
      'now: the recording ends now; none: times as recorded; or its new first time',
      shift,
      'now',
    )
    .option('--device-prefix <text>', 'in front of the ids of the devices of the recording', 'sim-')
    .option('--batch <n>', 'readings in one message', wholeNumber(1, 1000), 1)
  return command
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
Order and intervals are kept. Space or p pauses and goes on, q ends it; so do SIGUSR2 and SIGINT.
Devices are registered with the attribute simulated: what they raise calls no crew unless dispatch.simulated
says so, and a device that is registered without it is never played. Without a token the devices must be
registered and their secrets be in --secrets.
Built-in maps: usgs-01581752, usgs-01589330, defra-river-level, nab-machine-temperature,
uci-prsa-aotizhongxin, mavlink-drone; write your own after theirs (simulators/maps).

Examples:
  gridwhistle replay river.csv.gz --map river.yaml --speed 10 --shift now --to mqtt://127.0.0.1:1883
  gridwhistle replay morning.jsonl --speed 60
  gridwhistle replay monitors.log --map monitors.yaml --hj212 tcp://127.0.0.1:9212`,
    )
    .action(async (file: string, options: Options) => {
      const { mqttUrl, httpUrl, hj212Url, token } = targetOf(options)
      const { map, ...rest } = options
      const progress = new Progress('replaying')
      const pause = new PauseSwitch()
      const signal = stopSignal()
      const letGo = obeyKeys(pause)
      let result: ReplayResult
      try {
        result = await replay({
          ...rest,
          file,
          ...(map !== undefined && { map: mapFile(map) }),
          mqttUrl,
          hj212Url,
          ...(token !== undefined && { registry: { httpUrl, token } }),
          secrets: new Secrets(options.secrets),
          pause,
          signal,
          onProgress: (done, rows) => progress.update(done, rows, `${done} of ${rows} rows`),
        })
      } finally {
        letGo()
        progress.stop()
      }
      process.stdout.write(`${options.json === true ? JSON.stringify(result) : inWords(result)}\n`)
      if (!result.complete || result.refused > 0) throw new Error('not every reading was taken in')
    })
}

function inWords({
  format,
  rows,
  sent,
  acknowledged,
  refused,
  skipped,
  gaps,
  first,
  last,
  complete,
}: ReplayResult): string {
  const left = Object.entries(skipped).map(([reason, count]) => `${count} ${reason.replaceAll('_', ' ')}`)
  const what = format === 'messages' ? 'messages' : format === 'hj212' ? 'frames' : 'readings'
  return [
    `${rows} rows${complete ? '' : ' (stopped early)'}, ${first} to ${last}`,
    `${sent} ${what} sent, ${acknowledged} acknowledged, ${refused} refused`,
    `left out: ${left.length === 0 ? 'nothing' : left.join(', ')}`,
    ...(gaps > 0 ? [`${gaps} gaps not sat out`] : []),
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
