// Peer: what a careful engineer writes in an afternoon beside Mosquitto: an mqtt.js subscriber that parses,
// checks one threshold, and batches line protocol into InfluxDB. No journal, no validation, no alarm state.
import mqtt from 'mqtt'

const { MQTT_URL, INFLUX_URL, DATABASE, LIMIT } = process.env
const BATCH = 5000
const LINGER_MS = 100

let lines = []
let writing = false

async function flush() {
  if (writing || lines.length === 0) return
  writing = true
  while (lines.length > 0) {
    const batch = lines.splice(0, BATCH)
    const response = await fetch(`${INFLUX_URL}/write?db=${DATABASE}&precision=ms`, {
      method: 'POST',
      body: batch.join('\n'),
    })
    await response.arrayBuffer()
    if (!response.ok) console.error(`write: ${response.status}`)
  }
  writing = false
}
function flushNow() {
  flush().catch((error) => {
    writing = false
    console.error(error)
  })
}
setInterval(flushNow, LINGER_MS)

const client = mqtt.connect(MQTT_URL, { clientId: 'subscriber', clean: false })
client.on('message', (topic, payload) => {
  const device = topic.split('/')[1]
  const parsed = JSON.parse(payload)
  for (const reading of Array.isArray(parsed) ? parsed : [parsed]) {
    const fields = Object.entries(reading.metrics)
      .map(([name, value]) => `${name}=${value}`)
      .join(',')
    lines.push(`cooking_fume,device=${device} ${fields} ${reading.ts}`)
    if (reading.metrics.fume > Number(LIMIT))
      client.publish(`alarms/${device}`, JSON.stringify({ device, ...reading }), { qos: 1 })
  }
  if (lines.length >= BATCH) flushNow()
})
client.on('connect', () => {
  client.subscribe('v1/+/readings', { qos: 1 }, () => console.log(JSON.stringify({ ready: true })))
})
