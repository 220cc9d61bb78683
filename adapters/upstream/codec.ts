/**
 * Topics of an upstream broker to devices; pure. A pattern is a topic filter [MQTT-4.7] with `{device}` in the place
 * of one whole level: `v1/{device}/readings`, `city/+/{device}/up/#`.
 */
export class TopicPattern {
  /** What to subscribe to. */
  readonly filter: string
  readonly #levels: readonly string[]

  private constructor(levels: readonly string[]) {
    this.#levels = levels
    this.filter = levels.map((level) => (level === DEVICE ? '+' : level)).join('/')
  }

  /** The pattern, or what is wrong with it. */
  static parse(text: string): TopicPattern | string {
    const levels = text.split('/')
    if (levels.filter((level) => level === DEVICE).length !== 1) return 'expected {device} as one whole level'
    if (text.startsWith('$')) return 'expected no topic that begins with $; `share` names a group'
    for (const [i, level] of levels.entries()) {
      if (level === DEVICE || level === '+' || (level === '#' && i === levels.length - 1)) continue
      if (/[+#{}\0]/.test(level)) return 'expected + as a whole level, and # as the last one'
    }
    return new TopicPattern(levels)
  }

  /** The level that names the device; undefined when the topic is of another form. */
  deviceOf(topic: string): string | undefined {
    const levels = topic.split('/')
    const pattern = this.#levels
    const isOpen = pattern.at(-1) === '#'
    if (isOpen ? levels.length < pattern.length - 1 : levels.length !== pattern.length) return undefined
    let device: string | undefined
    for (const [i, expected] of pattern.entries()) {
      if (expected === '#') break
      const level = levels[i]!
      if (expected === DEVICE) device = level
      else if (expected !== '+' && expected !== level) return undefined
    }
    return device
  }
}

const DEVICE = '{device}'

/**
 * Whether each reading of the payload says when it was. What is no JSON counts as well: it is for the intake to judge.
 */
export function saysWhen(payload: Uint8Array): boolean {
  let parsed: unknown
  try {
    parsed = JSON.parse(Buffer.from(payload).toString())
  } catch {
    return true
  }
  const readings: unknown[] = Array.isArray(parsed) ? parsed : [parsed]
  return readings.every((reading) => typeof reading !== 'object' || reading === null || 'ts' in reading)
}
