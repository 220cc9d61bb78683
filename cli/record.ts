import { Command, Option } from 'commander'
import { record, type RecordResult } from '../simulators/record.ts'
import { stopSignal } from './exit.ts'
import { duration } from './options.ts'
import { mqttOptions, targetOf, type TargetOptions, tokenOf } from './target.ts'

interface Options extends TargetOptions {
  topic: string[]
  all?: true
  device?: string[]
  duration?: number
  json?: true
}

/** What an admin may hear over MQTT; what devices send is not among it. */
const TOPICS = ['v1/+/status', 'alarms/#', 'dispatch/#']

export function recordCommand(): Command {
  return mqttOptions(new Command('record'))
    .description('write what passes the gateway to a file of JSON lines, for `replay`')
    .argument('<file>', 'a new file')
    .option('--all', 'begin with all that the journal still holds')
    .option('--device <ids...>', 'only what these devices send')
    .option('--topic <filters...>', 'what is heard beside readings', TOPICS)
    .option('--no-topic', 'readings alone')
    .addOption(new Option('--duration <time>', 'end after this').argParser(duration))
    .option('--json', 'print the account as JSON')
    .addHelpText(
      'after',
      `
Each line is {"device","topic","at","payload"}: the bytes that the device sent (base64, and so marked, where they
are no UTF-8), or {"device","at","registration"} ahead of a device's first message. What the gateway refused or
knew already is not among them. Needs an admin's token; Ctrl-C ends it. A gateway that restarts is waited for.

Example:
  gridwhistle record morning.jsonl --duration 1h && gridwhistle replay morning.jsonl --speed 60`,
    )
    .action(async (file: string, options: Options & { topic: string[] | false }) => {
      const target = targetOf(options)
      let last = 0
      const result = await record({
        file,
        httpUrl: target.httpUrl,
        mqttUrl: target.mqttUrl,
        token: tokenOf(target),
        topics: options.topic === false ? [] : options.topic,
        all: options.all === true,
        ...(options.device && { devices: new Set(options.device) }),
        ...(options.duration !== undefined && { duration: options.duration }),
        signal: stopSignal(),
        onProgress: (messages) => {
          if (!process.stderr.isTTY || Date.now() - last < 500) return
          last = Date.now()
          process.stderr.write(`\r${messages} messages `)
        },
      })
      process.stdout.write(`${options.json === true ? JSON.stringify(result) : inWords(result)}\n`)
      if (result.lost > 0)
        throw new Error(`${result.lost} readings were gone from the journal before they were read`)
    })
}

function inWords({ messages, readings, devices, others, bytes }: RecordResult): string {
  return `${messages} messages with ${readings} readings of ${devices} devices, ${others} messages beside, ${bytes} bytes`
}
