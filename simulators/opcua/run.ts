/**
 * `node simulators/opcua/run.ts [--port 4840] [--station NAME]… [--folder DIR]`: a simulated river station as an
 * OPC UA server on this machine, until Ctrl-C. Says what to register.
 */
import { mkdtempSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { OpcuaStation } from './station.ts'

const { values } = parseArgs({
  options: {
    port: { type: 'string', default: '4840' },
    station: { type: 'string', multiple: true, default: ['Station'] },
    folder: { type: 'string' },
  },
})
const folder = values.folder ?? mkdtempSync(join(tmpdir(), 'gridwhistle-station-'))
const station = new OpcuaStation({ port: Number(values.port), folder, names: values.station, every: 1000 })
await station.start()
for (const name of values.station) {
  const nodes = { ph: `ns=1;s=${name}.ph`, do: `ns=1;s=${name}.do`, flow: `ns=1;s=${name}.flow` }
  process.stdout.write(`"protocols":${JSON.stringify({ opcua: { endpoint: station.url, nodes } })}\n`)
}
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => void station.stop())
