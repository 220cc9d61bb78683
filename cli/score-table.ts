import type { ScoredAlarm, Score } from '../simulators/score.ts'

export interface ScoredRun {
  readonly scenario: string
  readonly devices: number
  readonly readings: number
  readonly alarms: number
  readonly score: Score
}

/** A table in Markdown: as it is printed, and as it stands in simulators/README.md. */
export function scoreTable(runs: readonly ScoredRun[]): string {
  const rows = runs.map(({ scenario, devices, readings, alarms, score }) => [
    scenario,
    `${devices}`,
    `${readings}`,
    `${alarms}`,
    `${score.found} of ${score.expected}`,
    score.recall.toFixed(2),
    score.precision.toFixed(2),
    score.delay === null ? '–' : span(score.delay.median),
    score.delay === null ? '–' : span(score.delay.longest),
  ])
  const head = [
    'scenario',
    'devices',
    'readings',
    'alarms',
    'found',
    'recall',
    'precision',
    'median delay',
    'longest',
  ]
  const line = (cells: readonly string[]): string => `| ${cells.join(' | ')} |\n`
  const rule = head.map((_, column) => (column === 0 ? '---' : '--:'))
  return line(head) + line(rule) + rows.map(line).join('')
}

/** What was missed and what was false, one line each, times from the beginning of the run. */
export function scoreDetails({ score }: ScoredRun, epoch: number): string {
  const since = (at: number): string => `+${span(at - epoch)}`
  const missed = score.missed.map(({ rule, device, from, by, came }) => {
    const late = came === null ? '' : `, came at ${since(came)}`
    return `  missed: ${rule} of ${device} between ${since(from)} and ${since(by)}${late}\n`
  })
  const wrong = score.false.map(({ rule, device, severity, startedAt }: ScoredAlarm) => {
    return `  false: ${rule} of ${device} (${severity}) at ${since(startedAt)}\n`
  })
  return [...missed, ...wrong].join('')
}

/** `95s`, `12m`, `3h20m`. */
function span(ms: number): string {
  const seconds = Math.round(ms / 1000)
  if (seconds < 120) return `${seconds}s`
  const minutes = Math.round(seconds / 60)
  if (minutes < 120) return `${minutes}m`
  return `${Math.floor(minutes / 60)}h${String(minutes % 60).padStart(2, '0')}m`
}
