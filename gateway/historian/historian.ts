import { join } from 'node:path'
import type { Config } from '../config.ts'
import type { Log } from '../log.ts'
import { durationMs } from '../model/duration.ts'
import type { Historian } from '../model/pipeline.ts'
import { EmbeddedHistorian } from './embedded.ts'
import { InfluxHistorian } from './influx.ts'
import { Influx1 } from './influx1.ts'
import { Influx2 } from './influx2.ts'

/** The store that the configuration names. Opens nothing yet. */
export function createHistorian(config: Config['historian'], dataDir: string, log: Log): Historian {
  switch (config.type) {
    case 'embedded':
      return new EmbeddedHistorian(join(dataDir, 'history.db'), durationMs(config.keep), log)
    case 'influx1':
      return new InfluxHistorian(new Influx1(config), log)
    case 'influx2':
      return new InfluxHistorian(new Influx2(config), log)
  }
}
