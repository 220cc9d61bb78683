import type { Alarm, AlarmEnd } from '../gateway/model/alarm.ts'
import type { Origin } from '../gateway/model/reading.ts'
import type { Finding } from './device-state.ts'

/** The engine's finding as the alarm that everybody else knows; its case is the queue's to add. */
export function alarmOf(finding: Finding, origin: Origin, reason?: AlarmEnd): Omit<Alarm, 'case'> {
  const { id, rule, severity, state, stale, startedAt, clearedAt, peak, value } = finding
  const { device, kind, site, street, grid } = origin
  const alarm = {
    id,
    rule: rule.id,
    ruleVersion: rule.version,
    device,
    kind,
    site,
    street,
    grid,
    severity,
    state,
  }
  const marks = { ...(stale && { stale: true as const }), ...(reason !== undefined && { reason }) }
  return { ...alarm, ...marks, startedAt, clearedAt, peak, value }
}
