import { expect, test } from 'vitest'
import { crash } from './crash.ts'

test(
  'invariants 1, 2 and 5: at every kill −9 what was acknowledged is stored once, and no alarm is lost, doubled or without its case',
  { timeout: 120_000 },
  async () => {
    const report = await crash({ kills: 10, seed: 7 })
    expect(report).toMatchObject({
      kills: 10,
      lost: 0,
      doubled: 0,
      alarmsMissing: 0,
      alarmsUnexpected: 0,
      alarmsWithoutCase: 0,
      openCases: report.devices,
    })
    expect(report.acknowledged).toBe(report.sent)
    expect(report.alarms).toBeGreaterThan(0)
    // Ready again within 5 s: a bound on recovery with a wide margin, not a benchmark.
    expect(report.slowestStart).toBeLessThan(5000)
    const { received, accepted, duplicates, quarantined, stored, pending } = report.ledger
    expect(received).toBe(accepted! + duplicates! + quarantined!)
    expect(accepted).toBe(stored! + pending!)
  },
)
