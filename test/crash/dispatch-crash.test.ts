import { expect, test } from 'vitest'
import { dispatchCrash } from './dispatch-crash.ts'

test(
  'invariant 5 and announcements: at every kill −9 in an alarm storm, no alarm without its case, one open case for each site, every case announced and one announcement doubled at most',
  { timeout: 120_000 },
  async () => {
    const report = await dispatchCrash({ kills: 5, seed: 11 })
    expect(report).toMatchObject({
      kills: 5,
      alarmsMissing: 0,
      alarmsUnexpected: 0,
      alarmsWithoutCase: 0,
      sitesWithSeveral: 0,
      openingsUntold: 0,
      endsUntold: 0,
      wrongSignatures: 0,
      deadLetters: 0,
    })
    expect(report.doubledAfterOneKill).toBeLessThanOrEqual(1)
    expect(report.robotWithinMinute).toBeLessThanOrEqual(20)
    expect(report.cases).toBeGreaterThan(8)
  },
)
