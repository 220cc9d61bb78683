import { join } from 'node:path'
import type { Config } from '../config.ts'
import type { History } from '../model/pipeline.ts'
import { EmbeddedHistory } from './embedded-history.ts'
import { InfluxHistory } from './influx-history.ts'
import { Influx1 } from './influx1.ts'
import { Influx2 } from './influx2.ts'

/** What the configured store holds, read-only. Throws when the embedded one is not there. */
export function openHistory(config: Config['historian'], dataDir: string): History {
  switch (config.type) {
    case 'embedded':
      return new EmbeddedHistory(join(dataDir, 'history.db'))
    case 'influx1':
      return new InfluxHistory(new Influx1(config))
    case 'influx2':
      return new InfluxHistory(new Influx2(config))
    default:
      return config.type satisfies never
  }
}
