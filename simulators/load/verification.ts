import { linesIn } from '../lines.ts'
import { parallel } from '../parallel.ts'

/** What the journal and the historian hold of a load, readings. */
export interface Verified {
  readonly inJournal: number
  /** Sent and not there; at QoS 0 that may be, at any other only what was not acknowledged. */
  readonly missing: number
  /** There, and twice or never sent. */
  readonly surplus: number
  /** Behind a later one of the same device. */
  readonly disordered: number
  readonly inHistorian: number
}

export interface VerificationOptions {
  readonly httpUrl: string
  readonly token: string
  /** Readings sent, by device. */
  readonly sent: ReadonlyMap<string, number>
  /** A metric that is in each of them. */
  readonly metric: string
  /** When the load began, epoch ms, and a number in the journal before it: what is older is not its own. */
  readonly since: number
  readonly from: number
}

const DAY = 86_400_000
/** Questions to the historian at once: it takes no more. */
const QUESTIONS = 4

/** Reads back what was sent: order, loss and doubles from the journal, counts from the historian. */
export async function verify(options: VerificationOptions): Promise<Verified> {
  const journal = await readJournal(options)
  let missing = 0
  let surplus = 0
  for (const [device, sent] of options.sent) {
    const there = journal.byDevice.get(device)?.count ?? 0
    missing += Math.max(0, sent - there)
    surplus += Math.max(0, there - sent)
  }
  const { inJournal, disordered } = journal
  return { inJournal, missing, surplus, disordered, inHistorian: await countStored(options) }
}

interface Seen {
  count: number
  newest: number
}

async function readJournal({ httpUrl, token, sent, since, from }: VerificationOptions) {
  const response = await ask(httpUrl, token, `/api/v1/messages?from=${from}`)
  const byDevice = new Map<string, Seen>()
  let inJournal = 0
  let disordered = 0
  const text = response.body!.pipeThrough(new TextDecoderStream())
  for await (const line of linesIn(text)) {
    if (line === '') continue
    const { device, payload } = JSON.parse(line) as { device: string; payload: string }
    if (!sent.has(device)) continue
    const parsed = JSON.parse(payload) as { ts: number } | { ts: number }[]
    const seen = byDevice.get(device) ?? { count: 0, newest: 0 }
    byDevice.set(device, seen)
    for (const { ts } of Array.isArray(parsed) ? parsed : [parsed]) {
      if (ts < since) continue
      inJournal++
      seen.count++
      if (ts <= seen.newest) disordered++
      seen.newest = Math.max(seen.newest, ts)
    }
  }
  return { byDevice, inJournal, disordered }
}

async function countStored({ httpUrl, token, sent, metric, since }: VerificationOptions): Promise<number> {
  let total = 0
  // A device that runs ahead of the clock is in it too.
  const stretch = { from: String(since), to: String(Date.now() + DAY) }
  await parallel(sent.keys(), QUESTIONS, async (device) => {
    const query = new URLSearchParams({ device, metric, ...stretch, every: '1d', agg: 'count' })
    const response = await ask(httpUrl, token, `/api/v1/readings?${query.toString()}`)
    const { points } = (await response.json()) as { points: [number, number][] }
    for (const [, count] of points) total += count
  })
  return total
}

async function ask(url: string, token: string, path: string): Promise<Response> {
  const response = await fetch(new URL(path, url), { headers: { authorization: `Bearer ${token}` } })
  if (!response.ok) throw new Error(`${path.split('?')[0]} answered ${response.status}`)
  return response
}
