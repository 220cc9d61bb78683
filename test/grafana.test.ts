import { readdirSync, readFileSync } from 'node:fs'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { parse } from 'yaml'
import { dashboards } from '../dashboards/grafana/generate.ts'
import { LineProtocol } from '../gateway/historian/line-protocol.ts'
import { loadKinds } from '../gateway/model/kinds.ts'
import { hasInfluxd, Influxd } from './services/influxd.ts'

const grafana = new URL('../dashboards/grafana/', import.meta.url)
const kinds = [...loadKinds().values()]

interface Panel {
  title: string
  targets: { query: string }[]
}
interface Dashboard {
  panels: Panel[]
  templating: { list: { query: string }[] }
}

test('the dashboards in the tree are the ones that the kinds give', () => {
  const folder = new URL('dashboards/', grafana)
  const expected = dashboards()
  expect(readdirSync(folder).sort()).toEqual([...expected.keys()].sort())
  for (const [name, content] of expected) {
    expect(JSON.parse(readFileSync(new URL(name, folder), 'utf8')), name).toEqual(content)
  }
})

test('the data source is the one that every panel asks', () => {
  const { datasources } = parse(
    readFileSync(new URL('provisioning/datasources/influxdb.yaml', grafana), 'utf8'),
  ) as {
    datasources: { uid: string }[]
  }
  for (const content of dashboards().values()) {
    for (const panel of (content as { panels: { datasource: { uid: string } }[] }).panels) {
      expect(panel.datasource.uid).toBe(datasources[0]!.uid)
    }
  }
})

describe.skipIf(!hasInfluxd)('every query of every dashboard finds its data in a real InfluxDB', () => {
  let influxd: Influxd
  const database = 'gridwhistle'

  beforeAll(async () => {
    influxd = await Influxd.launch()
    await influxd.query(`CREATE DATABASE ${database}`)
    const encode = new LineProtocol()
    const lines = kinds.map((kind) =>
      encode.reading(
        { device: 'd1', kind: kind.id, site: 's1', street: 'tangzhazhen', grid: 'tangzhazhen-001' },
        {
          ts: Date.now() - 60_000,
          metrics: Object.fromEntries(
            Object.entries(kind.metrics).map(([name, metric]) => [
              name,
              metric.type === 'number' ? 1.5 : true,
            ]),
          ),
        },
      ),
    )
    lines.push(`alarm,rule=r,device=d1,street=tangzhazhen,severity=red state="firing" ${Date.now() - 60_000}`)
    const response = await fetch(`${influxd.url}/write?db=${database}&precision=ms`, {
      method: 'POST',
      body: lines.join('\n'),
    })
    expect(response.status).toBe(204)
  })
  afterAll(() => influxd.dispose())

  /** What Grafana puts in place of its macros and variables before it asks. */
  const filledIn = (query: string) =>
    query
      .replaceAll('$timeFilter', 'time > now() - 6h')
      .replaceAll('$__interval', '1m')
      .replaceAll(/\$(street|device)/g, '.*')

  test.each([...dashboards()])('%s', async (name, content) => {
    const { panels, templating } = content as Dashboard
    for (const { query } of [...templating.list, ...panels.flatMap((panel) => panel.targets)]) {
      expect(await influxd.query(filledIn(query), database), `${name}: ${query}`).not.toEqual([])
    }
  })
})
