import { parse } from 'csv-parse/sync'
import { describe, expect, test } from 'vitest'
import type { Device } from '../model/device.ts'
import { DAY, HOUR, monthNamed } from './month.ts'
import type { StationMonth } from './monthly-mean.ts'
import { sectionCsv } from './section-csv.ts'
import { reportSection, sectionsOf } from './section-report.ts'
import { loadSectionSettings } from './section-settings.ts'

const settings = loadSectionSettings()
const october = monthNamed('2026-10')

function station(id: string, more: Partial<Device> = {}): Device {
  return { id, kind: 'river_station', site: 'jiezhizha', street: 'yongxing', grid: 'yongxing-004', ...more }
}

/** Hourly values, by the hour of the month that they begin at. */
function hours(values: Record<number, number>, flagged: number[] = []): StationMonth {
  const at = (hour: number | string) => october.from + Number(hour) * HOUR
  return {
    means: Object.entries(values).map(([hour, value]) => [at(hour), value] as const),
    flagged: new Set(flagged.map(at)),
    implausible: new Set(),
  }
}

describe('a section', () => {
  test('is the site of river stations; boats and gauges are none', () => {
    const found = sectionsOf(
      [
        station('b', { site: 'two' }),
        station('boat', { kind: 'survey_boat' }),
        station('gauge', { kind: 'water_level' }),
        station('c', { site: 'one' }),
        station('a', { site: 'two' }),
      ],
      settings,
    )
    expect(found.map(({ id, stations }) => [id, stations.map((device) => device.id)])).toEqual([
      ['one', ['c']],
      ['two', ['a', 'b']],
    ])
  })

  test('is what the settings say of it, then what its stations say, then the default', () => {
    const attributes = { target: 'II', water: 'lake', upstream_payer: 'Tongzhou', downstream_payer: 'Haimen' }
    const [plain] = sectionsOf([station('a')], settings)
    expect(plain).toMatchObject({ target: 3, water: 'river', upstream: null, downstream: null, title: null })
    const devices = [station('a'), station('b', { attributes })]
    expect(sectionsOf(devices, settings)[0]).toMatchObject({
      target: 2,
      water: 'lake',
      upstream: 'Tongzhou',
      downstream: 'Haimen',
    })
    const title = { en: 'Sluice', zh: '节制闸' }
    const sections = { jiezhizha: { title, target: 4, upstream: 'Rugao' } } as const
    expect(sectionsOf(devices, { ...settings, sections })[0]).toMatchObject({
      title,
      target: 4,
      upstream: 'Rugao',
      downstream: 'Haimen',
    })
  })

  test('does not take nonsense from a station', () => {
    const attributes = { target: 'best', water: 7, upstream_payer: true, downstream_payer: '' }
    expect(sectionsOf([station('a', { attributes })], settings)[0]).toMatchObject({
      target: 3,
      water: 'river',
      upstream: null,
      downstream: null,
    })
  })
})

/**
 * A month by hand. Ammonia: the first day 1.0 and 2.0, the second 1.2 (and 9 under maintenance), so (1.5 + 1.2) / 2
 * = 1.35: class Ⅳ, 0.35 times over Ⅲ. Phosphorus 0.25: Ⅳ, 0.25 times. The others keep class Ⅲ or better.
 */
const measured = new Map<string, StationMonth[]>([
  ['ph', [hours({ 0: 7.4, 1: 7.6 })]],
  ['do', [hours({ 0: 5.5 })]],
  ['codmn', [hours({ 0: 4, 24: 6 })]],
  ['nh3n', [hours({ 0: 1, 4: 2, 24: 1.2, 28: 9 }, [28])]],
  ['tp', [hours({ 0: 0.25 })]],
  ['tn', [hours({ 0: 3 })]],
  ['flow', [hours({ 0: 8, 1: 12 })]],
])

describe('the report of a section', () => {
  const [section] = sectionsOf([station('a')], settings)
  const report = reportSection(section!, measured, october, october.to, settings)

  test('is that of the month by hand', () => {
    expect(report).toMatchObject({
      section: 'jiezhizha',
      stations: ['a'],
      target: 3,
      class: 4,
      meetsTarget: false,
      worse: ['nh3n', 'tp'],
      flow: { mean: 10, volume: 26_784_000, valid: 2, expected: 744 },
      load: { direction: 'upstream_pays', yuan: 937_440 + 133_920 },
      tiers: { direction: 'upstream_pays', yuan: 1_000_000 },
    })
    const rows = report.factors.map(({ metric, mean, class: found, limit, excess, valid, expected }) => [
      metric, mean, found, limit, excess, valid, expected,
    ]) // prettier-ignore
    expect(rows).toEqual([
      ['ph', 7.5, 1, [6, 9], null, 2, 744],
      ['do', 5.5, 3, 5, null, 1, 744],
      ['codmn', 5, 3, 6, 0, 2, 186],
      ['cod', null, null, 20, null, 0, 186],
      ['bod5', null, null, 4, null, 0, 186],
      ['nh3n', 1.35, 4, 1, 0.35, 3, 186],
      ['tp', 0.25, 4, 0.2, 0.25, 1, 186],
    ])
  })

  test('of a month under way reckons with the water that has passed', () => {
    const tenDays = reportSection(section!, measured, october, october.from + 10 * DAY, settings)
    expect(tenDays.flow).toMatchObject({ volume: 8_640_000, expected: 240 })
  })

  test('from too few factors says what it knows, and never that the target is met', () => {
    const of = (metrics: Record<string, number>) =>
      reportSection(
        section!,
        new Map(Object.entries(metrics).map(([metric, value]) => [metric, [hours({ 0: value })]])),
        october,
        october.to,
        settings,
      )
    expect(of({ ph: 7 })).toMatchObject({
      class: 1,
      meetsTarget: null,
      missing: ['codmn', 'nh3n', 'tp'],
      load: { direction: 'undecided' },
      tiers: { direction: 'undecided' },
    })
    expect(of({ codmn: 4, nh3n: 0.1 })).toMatchObject({ class: 2, meetsTarget: null, missing: ['tp'] })
    expect(of({ codmn: 4, nh3n: 0.1, tp: 0.1 })).toMatchObject({ meetsTarget: true, missing: [] })
    // One that is worse is enough to know, whether anybody pays for it or not.
    expect(of({ nh3n: 1.1 })).toMatchObject({ class: 4, meetsTarget: false, missing: ['codmn', 'tp'] })
    expect(of({ do: 1 })).toMatchObject({ class: 6, meetsTarget: false, load: { direction: 'undecided' } })
  })

  test('of a section that was not measured says so and judges nothing', () => {
    expect(reportSection(section!, new Map(), october, october.to, settings)).toMatchObject({
      class: null,
      meetsTarget: null,
      worse: [],
      flow: { mean: null, volume: null },
      load: { direction: 'undecided', yuan: null },
      tiers: { direction: 'undecided', yuan: null },
    })
  })
})

describe('the CSV', () => {
  const sections = { jiezhizha: { title: { en: 'Sluice', zh: '节制闸' }, upstream: '=cmd|" /C calc"!A0' } }
  const named = { ...settings, sections }
  const [section] = sectionsOf(
    [station('a', { attributes: { downstream_payer: '@SUM(A1), "quoted"\nline' } })],
    named,
  )
  const csv = sectionCsv('2026-10', [reportSection(section!, measured, october, october.to, named)])
  const [row] = parse(csv, { columns: true, bom: true }) as unknown as Record<string, string>[]

  test('has a line for the section, marked as for reference only', () => {
    expect(row).toMatchObject({
      month: '2026-10',
      section: 'jiezhizha',
      title_zh: '节制闸',
      target: 'Ⅲ',
      class: 'Ⅳ',
      meets_target: 'false',
      worse_than_target: 'nh3n tp',
      nh3n: '1.35',
      nh3n_class: 'Ⅳ',
      nh3n_excess: '0.35',
      nh3n_valid: '3',
      nh3n_expected: '186',
      nh3n_flagged_hours: '1',
      nh3n_implausible_hours: '0',
      flow_implausible_hours: '0',
      not_measured: '',
      do_excess: '',
      cod: '',
      tn: '',
      volume_m3: '26784000',
      load_yuan: '1071360',
      tiers_yuan: '1000000',
      note: expect.stringMatching(/仅供参考.*Reference only/) as string,
    })
  })

  test('runs no formula that somebody wrote into a name', () => {
    expect(row).toMatchObject({
      upstream: `'=cmd|" /C calc"!A0`,
      downstream: `'@SUM(A1), "quoted"\nline`,
    })
  })
})
