import { InvalidArgumentError, type Command } from 'commander'
import { DateTime } from 'luxon'
import type { BackTest } from '../gateway/backtest/backtest.ts'
import { MANNING, type Manning } from '../gateway/backtest/crews.ts'
import { withSources } from '../gateway/backtest/sources.ts'
import { backTestInThreads, THREADS } from '../gateway/backtest/threads.ts'
import { loadConfig } from '../gateway/config.ts'
import type { Rule } from '../gateway/model/rule.ts'
import { WrongUsage } from '../simulators/wrong-usage.ts'
import { ZONE } from './alarm-lines.ts'
import { stopSignal } from './exit.ts'
import { Progress } from './progress.ts'

/** Which part of the stored history. */
export interface Stretch {
  from?: number
  to?: number
  devices?: string[]
  config?: string
}

/** How far back when nobody says, ms. */
const WEEK = 7 * 86_400_000
/** Steps of the progress bar. */
const STEPS = 1000

/** `--from`, `--to`, `--devices` and `--config`, for commands that judge the stored history. */
export function stretchOptions(command: Command): Command {
  return command
    .option('--from <time>', 'alarms that began at or after (default: a week before --to)', time)
    .option('--to <time>', 'and before (default: now)', time)
    .option('--devices <ids>', 'only these, with commas between', (text) => text.split(','))
    .option('--config <file>', 'gateway.yaml that names the historian and dataDir')
}

/** Judges the stretch by each of the rule sets, one after the other; shows a bar, and ends on Ctrl-C. */
export async function overHistory(
  ruleSets: readonly (readonly Rule[])[],
  stretch: Stretch,
  manning: Manning = MANNING,
): Promise<readonly BackTest[]> {
  const now = Date.now()
  const { to = now, from = to - WEEK, devices } = stretch
  if (from >= to) throw new WrongUsage('--from must be before --to')
  const asked = devices?.join(', ')
  const progress = new Progress('judging')
  const signal = stopSignal()
  try {
    const config = loadConfig(stretch.config, process.env)
    return await withSources(config, now, async (sources) => {
      const answers: BackTest[] = []
      for (const rules of ruleSets) {
        const tell = (share: number, device: string) =>
          progress.update(Math.round(((answers.length + share) / ruleSets.length) * STEPS), STEPS, device)
        const request = { rules, from, to, ...(devices !== undefined && { devices }), manning }
        answers.push(await backTestInThreads(request, config, sources, THREADS, tell, signal))
      }
      // A name that is mistyped would read as "no alarms at all".
      if (asked !== undefined && answers.every((answer) => answer.devices === 0))
        throw new WrongUsage(`--devices: nothing that these rules look at is stored of ${asked}`)
      return answers
    })
  } finally {
    progress.stop()
  }
}

/** Epoch milliseconds, a day (its beginning in China) or ISO 8601. */
function time(text: string): number {
  const ms = /^\d{1,16}$/.test(text) ? Number(text) : DateTime.fromISO(text, { zone: ZONE }).toMillis()
  if (Number.isSafeInteger(ms)) return ms
  throw new InvalidArgumentError('Expected a time such as 2024-06-01, 2024-06-01T12:00:00+08:00 or epoch ms.')
}
