// Peer: aedes alone, as its README shows it. QoS 1 is acknowledged from memory; nothing is kept.
import { createServer } from 'node:net'
import { Aedes } from 'aedes'

const broker = await Aedes.createBroker()
const server = createServer(broker.handle)
server.listen(Number(process.env.PORT ?? 0), '127.0.0.1', () => {
  console.log(JSON.stringify({ ready: true, mqtt: server.address().port }))
})
