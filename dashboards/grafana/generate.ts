/**
 * Writes `dashboards/{kind}.json` and `dashboards/alarms.json` from the kind files, so that a new kind is a
 * file here too:  node dashboards/grafana/generate.ts
 * Queries are InfluxQL over the layout of contract §6; a test runs each of them against a real InfluxDB.
 */
import { readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { parse } from 'yaml'

interface Metric {
  type: 'number' | 'boolean'
  unit: string
  title: { en: string; zh: string }
  decimals?: number
}
interface Kind {
  id: string
  title: { en: string; zh: string }
  metrics: Record<string, Metric>
}

const datasource = { type: 'influxdb', uid: 'gridwhistle' }
const here = new URL('.', import.meta.url)
const kindsFolder = new URL('../../gateway/model/kinds/', here)
const WIDTH = 12
const HEIGHT = 8

const place = (index: number) => ({
  x: (index % 2) * WIDTH,
  y: Math.floor(index / 2) * HEIGHT,
  w: WIDTH,
  h: HEIGHT,
})

const chosen = '"street" =~ /^$street$/ AND "device" =~ /^$device$/ AND $timeFilter'

function metricPanel(kind: Kind, name: string, metric: Metric, index: number) {
  const number = metric.type === 'number'
  return {
    id: index + 1,
    title: `${metric.title.zh} ${metric.title.en}`,
    type: number ? 'timeseries' : 'state-timeline',
    datasource,
    gridPos: place(index),
    targets: [
      {
        refId: 'A',
        datasource,
        rawQuery: true,
        resultFormat: 'time_series',
        alias: '$tag_device',
        // Booleans have no mean; their last value says the same.
        query: `SELECT ${number ? 'mean' : 'last'}("${name}") FROM "${kind.id}" WHERE ${chosen} GROUP BY time($__interval), "device" fill(none)`,
      },
    ],
    fieldConfig: {
      defaults: number
        ? { unit: metric.unit === '' ? 'none' : `suffix: ${metric.unit}`, decimals: metric.decimals ?? 2 }
        : {
            mappings: [
              {
                type: 'value',
                options: {
                  true: { text: '开 on', color: 'green' },
                  false: { text: '关 off', color: 'gray' },
                },
              },
            ],
          },
      overrides: [],
    },
  }
}

const alarmQuery = (where: string) =>
  `SELECT "state" FROM "alarm" WHERE ${where} GROUP BY "street", "device", "rule", "severity"`

function alarmPanel(title: string, where: string, index: number, full: boolean) {
  return {
    id: index + 1,
    title,
    type: 'table',
    datasource,
    gridPos: full ? { x: 0, y: 0, w: 24, h: 20 } : { ...place(index + (index % 2)), w: 24 },
    targets: [{ refId: 'A', datasource, rawQuery: true, resultFormat: 'table', query: alarmQuery(where) }],
    fieldConfig: { defaults: {}, overrides: [] },
  }
}

function variable(name: string, label: string, query: string) {
  return {
    name,
    label,
    type: 'query',
    datasource,
    query,
    refresh: 2,
    multi: true,
    includeAll: true,
    allValue: '.*',
    current: { text: ['All'], value: ['$__all'] },
    sort: 1,
  }
}

function dashboard(uid: string, title: string, variables: unknown[], panels: unknown[]) {
  return {
    uid: `gridwhistle-${uid}`.slice(0, 40),
    title,
    tags: ['gridwhistle'],
    timezone: 'browser',
    schemaVersion: 39,
    version: 1,
    refresh: '10s',
    time: { from: 'now-6h', to: 'now' },
    templating: { list: variables },
    panels,
  }
}

export function dashboards(): Map<string, unknown> {
  const files = readdirSync(kindsFolder).filter((name) => name.endsWith('.yaml'))
  const kinds = files.sort().map((name) => parse(readFileSync(new URL(name, kindsFolder), 'utf8')) as Kind)
  const byKind = kinds.map((kind): [string, unknown] => {
    const metrics = Object.entries(kind.metrics)
    const panels: unknown[] = metrics.map(([name, metric], index) => metricPanel(kind, name, metric, index))
    panels.push(alarmPanel('告警 Alarms', chosen, metrics.length, false))
    const variables = [
      variable('street', '街道 Street', `SHOW TAG VALUES FROM "${kind.id}" WITH KEY = "street"`),
      variable(
        'device',
        '设备 Device',
        `SHOW TAG VALUES FROM "${kind.id}" WITH KEY = "device" WHERE "street" =~ /^$street$/`,
      ),
    ]
    return [`${kind.id}.json`, dashboard(kind.id, `${kind.title.zh} ${kind.title.en}`, variables, panels)]
  })
  const alarms = dashboard(
    'alarms',
    '告警 Alarms',
    [variable('street', '街道 Street', 'SHOW TAG VALUES FROM "alarm" WITH KEY = "street"')],
    [alarmPanel('告警变化 Changes of alarms', '"street" =~ /^$street$/ AND $timeFilter', 0, true)],
  )
  return new Map([...byKind, ['alarms.json', alarms]])
}

if (import.meta.main) {
  for (const [name, content] of dashboards()) {
    writeFileSync(new URL(`dashboards/${name}`, here), `${JSON.stringify(content, null, 2)}\n`)
  }
}
