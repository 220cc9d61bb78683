import { describe, expect, test } from 'vitest'
import type { TargetClass } from '../../rules/surface-water.ts'
import { loadCompensation, tierCompensation, type SectionMonth } from './compensation.ts'
import { loadSectionSettings } from './section-settings.ts'

const settings = loadSectionSettings()
/** 10 m³/s through the 31 days of October. */
const VOLUME = 26_784_000

function month(means: SectionMonth['means'], more: Partial<SectionMonth> = {}): SectionMonth {
  return { water: 'river', target: 3, volume: VOLUME, means, ...more }
}

describe('the load formula, (c − target) × monthly flow × price', () => {
  // By hand: mg/L × m³ / 10⁶ are tonnes; 15,000 yuan for CODMn, 100,000 for NH3-N and TP.
  test.each<[string, SectionMonth['means'], number]>([
    ['0.35 mg/L of ammonia too much: 9.3744 t', { codmn: 5, nh3n: 1.35, tp: 0.2 }, 937_440],
    ['0.05 mg/L of phosphorus: 1.3392 t', { codmn: 6, nh3n: 1, tp: 0.25 }, 133_920],
    ['2 mg/L of permanganate index: 53.568 t', { codmn: 8, nh3n: 0.1, tp: 0.1 }, 803_520],
    ['all three', { codmn: 8, nh3n: 1.35, tp: 0.25 }, 803_520 + 937_440 + 133_920],
    ['one is enough, whatever was not measured', { nh3n: 1.35 }, 937_440],
  ])('%s', (_, means, yuan) => {
    expect(loadCompensation(month(means), settings)).toMatchObject({
      direction: 'upstream_pays',
      yuan,
      reason: null,
    })
  })

  test('what one factor spared does not pay for what another brought', () => {
    const { factors } = loadCompensation(month({ codmn: 5, nh3n: 1.35, tp: 0.25 }), settings)
    expect(factors).toEqual([
      { metric: 'codmn', excess: 0, tonnes: -26.784, yuan: 0 },
      { metric: 'nh3n', excess: 0.35, tonnes: 9.3744, yuan: 937_440 },
      { metric: 'tp', excess: 0.25, tonnes: 1.3392, yuan: 133_920 },
    ])
  })

  test('when all factors keep the target the downstream side pays for what was spared, if it is set to', () => {
    const good = month({ codmn: 5, nh3n: 0.5, tp: 0.1 })
    expect(loadCompensation(good, settings)).toMatchObject({ direction: 'nobody_pays', yuan: 0 })
    const rewarding = { ...settings, load: { ...settings.load, rewards: { nh3n: 10_000 } } }
    // 0.5 mg/L × 26,784,000 m³ = 13.392 t
    expect(loadCompensation(good, rewarding)).toMatchObject({ direction: 'downstream_pays', yuan: 133_920 })
    const unmeasured = { ...good, volume: null }
    expect(loadCompensation(unmeasured, rewarding)).toMatchObject({ yuan: null, reason: 'no_flow' })
    expect(loadCompensation(unmeasured, settings)).toMatchObject({ direction: 'nobody_pays', yuan: 0 })
  })

  test.each([
    [null, 'no_flow'],
    [-1000, 'flow_reversed'],
    [0, 'flow_reversed'],
  ] as const)('a volume of %j is not reckoned with: %s', (volume, reason) => {
    expect(loadCompensation(month({ codmn: 8, nh3n: 1, tp: 0.1 }, { volume }), settings)).toMatchObject({
      direction: 'upstream_pays',
      yuan: null,
      reason,
    })
  })

  test('a price that is set is the price', () => {
    const dearer = { ...settings, load: { ...settings.load, prices: { ...settings.load.prices, tp: 2e5 } } }
    expect(loadCompensation(month({ codmn: 6, nh3n: 1, tp: 0.25 }), dearer).yuan).toBe(267_840)
  })
})

describe('the tiers, 50, 75 or 125 times 10,000 yuan a factor by its excess multiple', () => {
  test.each<[number, TargetClass, number]>([
    // ammonia, target, yuan
    [1.001, 3, 500_000],
    [1.5, 3, 500_000], // 0.5 times: still the first
    [1.501, 3, 750_000],
    [2, 3, 750_000], // once
    [2.001, 3, 1_250_000],
    [30, 3, 1_250_000],
    [2, 4, 500_000], // against class Ⅳ: 0.333 times
  ])('ammonia of %d mg/L against class %d', (nh3n, target, yuan) => {
    expect(tierCompensation(month({ codmn: 6, nh3n, tp: 0.2 }, { target }), settings)).toMatchObject({
      direction: 'upstream_pays',
      yuan,
    })
  })

  test('factors add up, and need no flow', () => {
    const bad = month({ codmn: 7, nh3n: 1.8, tp: 0.5 }, { volume: null })
    expect(tierCompensation(bad, settings)).toEqual({
      direction: 'upstream_pays',
      yuan: 500_000 + 750_000 + 1_250_000,
      reason: null,
      factors: [
        { metric: 'codmn', excess: 0.166667, tonnes: null, yuan: 500_000 },
        { metric: 'nh3n', excess: 0.8, tonnes: null, yuan: 750_000 },
        { metric: 'tp', excess: 1.5, tonnes: null, yuan: 1_250_000 },
      ],
    })
  })

  test('a section that keeps its target is rewarded by the downstream side, if that is set', () => {
    const good = month({ codmn: 6, nh3n: 1, tp: 0.2 })
    expect(tierCompensation(good, settings)).toMatchObject({ direction: 'nobody_pays', yuan: 0 })
    const rewarding = { ...settings, tiers: { ...settings.tiers, reward: 200_000 } }
    expect(tierCompensation(good, rewarding)).toMatchObject({ direction: 'downstream_pays', yuan: 200_000 })
  })
})

test.each([loadCompensation, tierCompensation])(
  '%o: that all factors keep the target is not known while one was not measured',
  (scheme) => {
    for (const means of [{}, { codmn: 5, nh3n: 0.5 }, { codmn: 5, nh3n: 0.5, tp: null }])
      expect(scheme(month(means), settings)).toMatchObject({
        direction: 'undecided',
        yuan: null,
        reason: 'not_measured',
      })
  },
)

test('a river does not pay for its nitrogen, a lake does', () => {
  const nitrogen = {
    ...settings,
    factors: ['nh3n', 'tn'] as const,
    load: { ...settings.load, prices: { nh3n: 1, tn: 1000 } },
  }
  const means = { nh3n: 0.5, tn: 2 }
  expect(loadCompensation(month(means), { ...nitrogen, factors: [...nitrogen.factors] }).yuan).toBe(0)
  expect(
    loadCompensation(month(means, { water: 'lake' }), { ...nitrogen, factors: [...nitrogen.factors] }).yuan,
  ).toBe(26_784)
})
