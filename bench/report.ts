export interface Row {
  readonly rate: number
  readonly ackP50: number | null
  readonly ackP99: number | null
  readonly lost: number
  readonly settled: number | null
  readonly cpu: Readonly<Record<string, number>>
  readonly loadCpu: number | null
  readonly probeP50: number | null
  readonly probeP99: number | null
}

export interface Figures {
  readonly title: string
  readonly systems: Record<string, Row[]>
}

export interface Bench {
  readonly machine: string
  readonly runs: number
  readonly seconds: number
  readonly tables: readonly Figures[]
  /** Readings/s. */
  readonly highest: Readonly<Record<string, number>>
  /** Bytes of resident memory for each idle connection. */
  readonly idle: Readonly<Record<string, number>>
}

export function median(values: readonly (number | null)[]): number | null {
  const sorted = values.filter((value) => value !== null).sort((a, b) => a - b)
  if (sorted.length === 0) return null
  const middle = sorted.length >> 1
  return sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2
}

const whole = (value: number | null) => (value === null ? '–' : Math.round(value).toLocaleString('en'))
const tenth = (value: number | null) => (value === null ? '–' : value.toFixed(value < 10 ? 2 : 0))

function line(cells: readonly string[]): string {
  return `| ${cells.join(' | ')} |\n`
}

function head(cells: readonly string[]): string {
  return line(cells) + line(cells.map((_, index) => (index === 0 ? '---' : '--:')))
}

function figures({ title, systems }: Figures): string {
  const probed = Object.values(systems).some((rows) => rows.some((row) => row.probeP50 !== null))
  const own = median(systems['gridwhistle']?.map((row) => row.rate) ?? [])
  let text = `### ${title}\n\n`
  text += head([
    'system',
    'readings/s',
    'Gridwhistle / it',
    'ack p50 ms',
    'ack p99 ms',
    ...(probed ? ['→ alarm p50 ms', '→ alarm p99 ms'] : []),
    'lost',
    'stored after s',
    'CPU µs per reading, by process',
  ])
  for (const [name, rows] of Object.entries(systems)) {
    const of = (pick: (row: Row) => number | null) => median(rows.map(pick))
    const rate = of((row) => row.rate)
    const cpu = Object.keys(rows[0]!.cpu).map(
      (process) => `${process} ${tenth(of((row) => row.cpu[process]!))}`,
    )
    text += line([
      name,
      whole(rate),
      own === null || rate === null ? '–' : (own / rate).toFixed(2),
      tenth(of((row) => row.ackP50)),
      tenth(of((row) => row.ackP99)),
      ...(probed ? [tenth(of((row) => row.probeP50)), tenth(of((row) => row.probeP99))] : []),
      whole(Math.max(...rows.map((row) => row.lost))),
      tenth(of((row) => row.settled)),
      [...cpu, `load ${tenth(of((row) => row.loadCpu))}`].join(', '),
    ])
  }
  return `${text}\n`
}

/** Nothing where nothing was measured. */
function section(title: string, heads: readonly string[], rows: readonly (readonly string[])[]): string {
  return rows.length === 0 ? '' : `### ${title}\n\n${head(heads)}${rows.map(line).join('')}\n`
}

/** The result as Markdown: medians of the runs, ratios within them. */
export function report({ machine, runs, seconds, tables, highest, idle }: Bench): string {
  let text = `Machine: ${machine}. Medians of ${runs} runs of ${seconds} s; "lost" is the worst of them.\n\n`
  for (const table of tables) if (Object.keys(table.systems).length > 0) text += figures(table)
  const own = highest['gridwhistle']
  text += section(
    'Highest open-loop rate with nothing lost, 1,000 connections',
    ['system', 'readings/s', 'Gridwhistle / it'],
    Object.entries(highest).map(([name, rate]) => [
      name,
      whole(rate),
      own === undefined ? '–' : (own / rate).toFixed(2),
    ]),
  )
  text += section(
    'Memory of an idle connection',
    ['system', 'KiB'],
    Object.entries(idle).map(([name, bytes]) => [name, (bytes / 1024).toFixed(1)]),
  )
  return text
}
