import { join } from 'node:path'
import type { Config } from '../config.ts'
import { areasOf, loadDistrict } from '../district/district.ts'
import { openHistory } from '../historian/history.ts'
import { durationMs } from '../model/duration.ts'
import { loadKinds } from '../model/kinds.ts'
import type { BackTestSources } from './backtest.ts'
import { RegistryPicture } from './registry-picture.ts'

/** Where a back-test finds everything. */
export type SourceConfig = Pick<Config, 'dataDir' | 'historian' | 'rules' | 'district'>

/** Opens all of it read-only, for as long as `work` takes. */
export async function withSources<T>(
  config: SourceConfig,
  now: number,
  work: (sources: BackTestSources) => Promise<T>,
): Promise<T> {
  const registry = new RegistryPicture(join(config.dataDir, 'registry.db'))
  try {
    const district = loadDistrict(config.district.file)
    const history = openHistory(config.historian, config.dataDir)
    try {
      return await work({
        history,
        registry,
        district,
        world: { kinds: loadKinds(), areas: areasOf(district) },
        bounds: {
          latenessMs: durationMs(config.rules.lateness),
          staleAfterMs: durationMs(config.rules.staleAfter),
        },
        now,
      })
    } finally {
      history.close()
    }
  } finally {
    registry.close()
  }
}
