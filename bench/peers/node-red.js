// Peer: Node-RED. mqtt in → json → threshold function → influxdb out; `--batched` puts a collecting function
// and the batch node in place of one write for each message. Writes the flow, then starts Node-RED's own server.
import { mkdirSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { join } from 'node:path'

const { MQTT_PORT, INFLUX_PORT, DATABASE, LIMIT, FOLDER } = process.env
const batched = process.argv.includes('--batched')

const threshold = `
const parsed = Array.isArray(msg.payload) ? msg.payload : [msg.payload];
const device = msg.topic.split('/')[1];
const points = parsed.map((reading) => ({
  measurement: 'cooking_fume', tags: { device }, fields: reading.metrics, timestamp: reading.ts }));
const alarms = parsed.filter((reading) => reading.metrics.fume > ${LIMIT})
  .map((reading) => ({ topic: 'alarms/' + device, payload: { device, ...reading } }));
return [{ payload: points }, alarms.length ? alarms : null];`

// A single write for each reading is what the plain node does; it takes [fields, tags] of one point, with the time as a field.
const single = `
const device = msg.topic.split('/')[1];
const parsed = Array.isArray(msg.payload) ? msg.payload : [msg.payload];
const alarms = parsed.filter((reading) => reading.metrics.fume > ${LIMIT})
  .map((reading) => ({ topic: 'alarms/' + device, payload: { device, ...reading } }));
return [parsed.map((reading) => ({ payload: [{ ...reading.metrics, time: reading.ts }, { device }] })), alarms.length ? alarms : null];`

const collect = `
const held = context.get('held');
held.push(...msg.payload);
if (held.length >= 1000) { context.set('held', []); return { payload: held }; }`
const collectStart = `
context.set('held', []);
setInterval(() => { const held = context.get('held'); if (held.length > 0) { context.set('held', []); node.send({ payload: held }); } }, 100);`

const flow = [
  { id: 'tab', type: 'tab', label: 'bench' },
  {
    id: 'broker',
    type: 'mqtt-broker',
    name: '',
    broker: '127.0.0.1',
    port: MQTT_PORT,
    clientid: 'node-red',
    cleansession: false,
    protocolVersion: '4',
    keepalive: '60',
    autoConnect: true,
  },
  {
    id: 'influx',
    type: 'influxdb',
    hostname: '127.0.0.1',
    port: INFLUX_PORT,
    protocol: 'http',
    database: DATABASE,
    name: '',
    usetls: false,
    influxdbVersion: '1.x',
  },
  {
    id: 'node-in',
    type: 'mqtt in',
    z: 'tab',
    topic: 'v1/+/readings',
    qos: '1',
    datatype: 'utf8',
    broker: 'broker',
    inputs: 0,
    wires: [['node-json']],
  },
  {
    id: 'node-json',
    type: 'json',
    z: 'tab',
    property: 'payload',
    action: 'obj',
    wires: [['node-threshold']],
  },
  {
    id: 'node-threshold',
    type: 'function',
    z: 'tab',
    func: batched ? threshold : single,
    outputs: 2,
    initialize: '',
    finalize: '',
    libs: [],
    wires: [[batched ? 'node-collect' : 'node-out'], ['node-alarm']],
  },
  {
    id: 'node-collect',
    type: 'function',
    z: 'tab',
    func: collect,
    outputs: 1,
    initialize: collectStart,
    finalize: '',
    libs: [],
    wires: [['node-batch']],
  },
  {
    id: 'node-batch',
    type: 'influxdb batch',
    z: 'tab',
    influxdb: 'influx',
    precision: 'ms',
    retentionPolicy: '',
    wires: [],
  },
  {
    id: 'node-out',
    type: 'influxdb out',
    z: 'tab',
    influxdb: 'influx',
    measurement: 'cooking_fume',
    precision: 'ms',
    retentionPolicy: '',
    wires: [],
  },
  {
    id: 'node-alarm',
    type: 'mqtt out',
    z: 'tab',
    topic: '',
    qos: '1',
    retain: 'false',
    broker: 'broker',
    wires: [],
  },
]

mkdirSync(FOLDER, { recursive: true })
// Node-RED takes a node without a place on the canvas for a configuration node.
for (const node of flow) if (node.z === 'tab') Object.assign(node, { x: 100, y: 100 })

writeFileSync(
  join(FOLDER, 'flows.json'),
  JSON.stringify(
    flow.filter((node) =>
      batched ? node.id !== 'node-out' : node.id !== 'node-collect' && node.id !== 'node-batch',
    ),
  ),
)
writeFileSync(
  join(FOLDER, 'settings.cjs'),
  `module.exports = { uiHost: '127.0.0.1', uiPort: 0, httpAdminRoot: false, httpNodeRoot: false, flowFile: 'flows.json', credentialSecret: false,
    nodesDir: [], functionTimeout: 0, logging: { console: { level: 'info' } }, editorTheme: { projects: { enabled: false } } }`,
)
const require = createRequire(import.meta.url)
process.argv = [process.argv[0], 'node-red', '--settings', join(FOLDER, 'settings.cjs'), '--userDir', FOLDER]
require('node-red/red.js')
