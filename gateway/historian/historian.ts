import { join } from 'node:path'
import type { Config } from '../config.ts'
import type { Log } from '../log.ts'
import { durationMs } from '../model/duration.ts'
import type { Historian } from '../model/pipeline.ts'
import { EmbeddedHistorian } from './embedded.ts'
import { addressOf, InfluxHistorian } from './influx.ts'
import { Influx1 } from './influx1.ts'
import { Influx2 } from './influx2.ts'

/** The store that the configuration names. Opens nothing yet. */
export function createHistorian(config: Config['historian'], dataDir: string, log: Log): Historian {
  const target = targetOf(config)
  switch (config.type) {
    case 'embedded':
      return new EmbeddedHistorian(target, join(dataDir, 'history.db'), durationMs(config.keep), log)
    case 'influx1':
      return new InfluxHistorian(target, new Influx1(config), config.batch, log)
    case 'influx2':
      return new InfluxHistorian(target, new Influx2(config), config.batch, log)
    default:
      return config.type satisfies never
  }
}

/**
 * Identity of the store, without credentials. The journal keeps a cursor for each, so that another store is
 * given everything that the journal still holds.
 */
export function targetOf(config: Config['historian']): string {
  switch (config.type) {
    case 'embedded':
      return 'embedded'
    case 'influx1':
      return `influx1:${addressOf(config.url)}/${config.database}`
    case 'influx2':
      return `influx2:${addressOf(config.url)}/${config.org}/${config.bucket}`
    default:
      return config.type satisfies never
  }
}

/** Name of the journal's cursor behind which the readings go to the store. */
export function historianConsumer(config: Config['historian']): string {
  return `historian:${targetOf(config)}`
}
