import { text } from 'node:stream/consumers'
import type { Readable } from 'node:stream'
import { stringify } from 'yaml'
import type { Alarms } from '../dispatch/alarms.ts'
import type { Cases } from '../dispatch/cases.ts'
import type { Case } from '../model/case.ts'
import type { District } from '../model/district.ts'
import { csvLine } from '../registry/csv-line.ts'
import { archiveOf, type FilePart } from './archive.ts'
import type { ChainedEntry } from './chain.ts'
import type { Context } from './context.ts'
import type { Evidence, EvidenceFile } from './evidence.ts'
import type { EvidenceKey } from './evidence-key.ts'
import { localTime } from './html.ts'
import { MEDIA, type Media } from './media.ts'
import { reportOf } from './report.ts'
import { framesNear } from './raw-frames.ts'
import { readingsIn, seriesOf } from './series.ts'
import type { Window } from './windows.ts'

export interface CaseFileSources {
  readonly cases: Cases
  readonly alarms: Pick<Alarms, 'get'>
  readonly evidence: Evidence
  readonly district: District
  readonly key: EvidenceKey
}

/** Spreadsheets take a file for their own old encoding unless it begins with this. */
const BYTE_ORDER_MARK = '\uFEFF'
/** Lines of CSV in one piece. */
const CHUNK = 512

/** What was frozen at once. */
interface Frozen {
  readonly number: number
  readonly reason: string
  readonly files: readonly EvidenceFile[]
}

/**
 * The file of a case as one archive (see `archive.ts`), streamed: of readings, frames and photos a chunk is in memory
 * at a time. It is the case of this instant, whatever happens to it meanwhile, and the same case makes the same bytes.
 */
export async function caseFile(caseId: string, sources: CaseFileSources): Promise<Readable> {
  const { cases, alarms: book, evidence, district, key } = sources
  // One picture: nothing is awaited between these.
  const found = cases.get(caseId)!
  const chain = cases.chain(caseId)
  const files = evidence.files(caseId).filter(({ id }) => evidence.isThere(id))
  const alarms = found.alarms.flatMap((id) => book.get(id) ?? [])

  const frozen = frozenIn(chain, files)
  const latest = frozen.at(-1)
  const part = (of: Frozen | undefined, kind: EvidenceFile['kind']) =>
    of?.files.find((file) => file.kind === kind)
  const contextFile = part(latest, 'context')
  const readings = part(latest, 'readings')
  const context =
    contextFile === undefined ? null : (JSON.parse(await text(evidence.read(contextFile.id))) as Context)
  const span = spanOf(context, found)
  const series = readings === undefined ? [] : await seriesOf(evidence.read(readings.id), span)

  const messages = part(latest, 'frames')
  const starts = alarms.map(({ startedAt }) => startedAt)
  const frames = messages === undefined ? [] : await framesNear(evidence.read(messages.id), starts)

  const parts = new Map<string, FilePart>()
  const names = new Map<string, string>()
  const add = (name: string, open: FilePart['open'], isPacked = false) =>
    parts.set(name, { name, isPacked, open })
  const addFile = (name: string, { id, media }: EvidenceFile) => {
    if (names.has(id)) return
    names.set(id, name)
    add(name, () => evidence.read(id), Object.hasOwn(MEDIA, media))
  }
  add('report.html', () => once(report))
  add('case.json', () => once(`${JSON.stringify(found, null, 2)}\n`))
  add('timeline.jsonl', () => once(chain.map((link) => `${JSON.stringify(link)}\n`).join('')))
  add('alarms.json', () => once(`${JSON.stringify(alarms, null, 2)}\n`))
  add('rule.yaml', () => once(rulesText(context)))
  for (const file of latest?.files ?? [])
    addFile(`${file.kind}.${file.kind === 'context' ? 'json' : 'jsonl'}`, file)
  if (readings !== undefined) add('readings.csv', () => readingsCsv(evidence.read(readings.id)))
  for (const file of files) {
    if (Object.hasOwn(MEDIA, file.media))
      addFile(`files/${file.id}.${MEDIA[file.media as Media].extension}`, file)
  }
  for (const { number, reason, files: own } of frozen.slice(0, -1)) {
    for (const file of own) {
      addFile(`frozen/${number}-${reason}/${file.kind}.${file.kind === 'context' ? 'json' : 'jsonl'}`, file)
    }
  }
  const report = reportOf({
    case: found,
    alarms,
    chain,
    files: evidence.files(caseId),
    nameOf: (id) => names.get(id),
    context,
    series,
    frames,
    span,
    district,
    key: key.public,
  })
  const last = chain.at(-1)
  return archiveOf({
    caseId,
    entries: chain.length,
    chainHead: last?.hash ?? '',
    at: last?.entry.at ?? found.queuedAt,
    parts: [...parts.values()],
    key,
  })
}

function frozenIn(chain: readonly ChainedEntry[], files: readonly EvidenceFile[]): readonly Frozen[] {
  const byId = new Map(files.map((file) => [file.id, file]))
  return chain.flatMap(({ number, entry: { action, note, files: ids } }) => {
    if (action !== 'evidence_frozen') return []
    const own = ids.flatMap((id) => byId.get(id) ?? [])
    return own.length === 0 ? [] : [{ number, reason: (note ?? '').replaceAll(/[^a-z_]/g, ''), files: own }]
  })
}

function spanOf(context: Context | null, found: Case): Window {
  const from = context?.windows[0]?.from ?? found.queuedAt
  return { from, to: Math.max(from + 1, context?.windows.at(-1)?.to ?? found.queuedAt) }
}

async function* once(content: string): AsyncGenerator<string> {
  yield content
}

/** The rules in the language that they are written in. */
function rulesText(context: Context | null): string {
  const known = context?.rules.flatMap(({ rule }) => rule ?? []) ?? []
  return stringify({ rules: known })
}

/** A value a line; cells that come from other hands cannot be formulas. */
async function* readingsCsv(part: Readable): AsyncGenerator<string> {
  yield `${BYTE_ORDER_MARK}${csvLine(['time', 'ts', 'device', 'metric', 'value', 'flag'])}`
  let lines: string[] = []
  for await (const { device, ts, metrics, flags } of readingsIn(part)) {
    const time = localTime(ts, "yyyy-LL-dd'T'HH:mm:ss.SSSZZ")
    for (const [metric, value] of Object.entries(metrics)) {
      lines.push(csvLine([time, ts, device, metric, value, flags?.[metric] ?? 'N']))
    }
    if (lines.length < CHUNK) continue
    yield lines.join('')
    lines = []
  }
  yield lines.join('')
}
