import { rangesOf, type Range } from './dispatch/announce/addresses.ts'
import { ConfigError, type Config } from './config.ts'
import type { DispatchOptions } from './dispatch/dispatch.ts'
import { durationMs } from './model/duration.ts'
import { peopleSettings } from './people/people.ts'

/** What the configuration says of cases and people; throws {@link ConfigError}. */
export function dispatchSettings(
  config: Config,
  dataDir: string,
): Omit<DispatchOptions, 'database' | 'district' | 'devices' | 'audit' | 'clock' | 'log'> {
  const { dispatch, announce } = config
  return {
    callsForSimulated: dispatch.simulated,
    people: peopleSettings(config.people, dataDir),
    keepTracksMs: durationMs(config.registers.keepTracks),
    reopenWithinMs: durationMs(dispatch.reopenWithin),
    consoleUrl: config.console.url.replace(/\/+$/, ''),
    announce: { allowed: allowedRanges(config), allowHttp: announce.allowHttp },
    speakWithin: dispatch.speakWithin,
    whistleTimes: {
      reportInMs: durationMs(dispatch.whistleReportIn),
      resolveMs: durationMs(dispatch.whistleResolve),
    },
  }
}

function allowedRanges({ announce }: Config): Range[] {
  try {
    return rangesOf(announce.allowAddresses)
  } catch (error) {
    throw new ConfigError(`announce.allowAddresses: ${(error as Error).message}`)
  }
}
