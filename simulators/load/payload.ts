export type Metrics = Readonly<Record<string, number | boolean>>

/** A prepared payload and where its times stand in it. */
export interface Payload {
  readonly bytes: Buffer
  /** Offsets of the 13 digits of each reading's `ts`. */
  readonly times: readonly number[]
}

const HOLE = '0000000000000'

/** What a kitchen well below every limit says: about 200 bytes with its time. */
export const QUIET_KITCHEN: Metrics = {
  fume: 0.8213,
  pm: 2.1354,
  nmhc: 2.4142,
  fan: true,
  purifier: true,
  fan_current: 3.5127,
  purifier_current: 1.9253,
  temperature: 39.9181,
  humidity: 64.9207,
}

/** One reading, or an array of them, for MQTT. */
export function readingsPayload(metrics: Metrics, count: number): Payload {
  const reading = `{"ts":${HOLE},"metrics":${JSON.stringify(metrics)}}`
  return withHoles(count === 1 ? reading : `[${Array<string>(count).fill(reading).join(',')}]`)
}

/** The same for `POST /api/v1/readings`, where each reading names its device. */
export function httpPayload(device: string, metrics: Metrics, count: number): Payload {
  const reading = `{"device":${JSON.stringify(device)},"ts":${HOLE},"metrics":${JSON.stringify(metrics)}}`
  return withHoles(`[${Array<string>(count).fill(reading).join(',')}]`)
}

function withHoles(text: string): Payload {
  const bytes = Buffer.from(text)
  const times: number[] = []
  for (let at = bytes.indexOf(HOLE); at >= 0; at = bytes.indexOf(HOLE, at + HOLE.length)) times.push(at)
  return { bytes, times }
}
