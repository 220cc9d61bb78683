import type { Severity } from '../model/alarm.ts'
import type { Device } from '../model/device.ts'
import type { Condition, Rule } from '../model/rule.ts'

/** A line that a rule draws through the readings of a metric. */
export interface LimitLine {
  readonly metric: string
  readonly value: number
  readonly severity: Severity
  /** `mean 10m > 2`: how the rule holds it against the readings. */
  readonly label: string
}

const SIGNS = { above: '>', atLeast: '≥', below: '<', atMost: '≤', outside: '∉', inside: '∈' } as const
const WINDOWS = ['mean', 'min', 'max', 'sum', 'count', 'changes', 'p95', 'range', 'rate'] as const
/** Of these the readings themselves are not what is compared. */
const OTHER_SCALE: readonly string[] = ['sum', 'count', 'changes', 'range', 'rate']

/** The numbers that the rule's severities compare the device's own readings with. */
export function limitLines(rule: Rule, device: Device | undefined): readonly LimitLine[] {
  const lines: LimitLine[] = []
  for (const [severity, condition] of Object.entries(rule.severity)) {
    collect(condition, severity as Severity, device, lines)
  }
  return lines
}

function collect(
  condition: Condition,
  severity: Severity,
  device: Device | undefined,
  lines: LimitLine[],
): void {
  const node = condition as Readonly<Record<string, unknown>>
  for (const key of ['all', 'any'] as const) {
    for (const child of (node[key] ?? []) as Condition[]) collect(child, severity, device, lines)
  }
  const { metric, of } = node
  if (typeof metric !== 'string' || of !== undefined) return
  const window = WINDOWS.find((name) => typeof node[name] === 'string')
  if (window !== undefined && OTHER_SCALE.includes(window)) return
  for (const [key, sign] of Object.entries(SIGNS)) {
    const limits = [node[key] ?? []].flat() as (number | string)[]
    for (const limit of limits) {
      const value = valueOf(limit, device)
      if (value === null) continue
      const label = `${window === undefined ? '' : `${window} ${String(node[window])} `}${sign} ${value}`
      lines.push({ metric, value, severity, label })
    }
  }
}

/** A number, `2.0 mg/m³`, or an attribute of the device. */
function valueOf(limit: number | string, device: Device | undefined): number | null {
  const known =
    typeof limit === 'string' && limit.startsWith('$') ? device?.attributes?.[limit.slice(1)] : limit
  const value = typeof known === 'string' ? Number.parseFloat(known) : known
  return typeof value === 'number' && Number.isFinite(value) ? value : null
}
