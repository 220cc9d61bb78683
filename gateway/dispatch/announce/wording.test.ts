import { expect, test } from 'vitest'
import { loadDistrict } from '../../district/district.ts'
import { announcementOf } from './announcement.ts'
import { EVENTS } from './notice.ts'
import { facts, notice } from './notice.fixture.ts'
import { LANGUAGES, siteTitles, worded, wordedTest } from './wording.ts'

const district = loadDistrict()
const options = { district, sites: siteTitles(district), consoleUrl: 'https://grid.example.cn' }
const one = announcementOf([notice()], 5)

test('a new case says how bad, what, where, until when in local time, and leads to map and console', () => {
  expect(worded(one, 'zh', options)).toEqual({
    title: '新案件 · 橙色 · 唐闸镇',
    tone: 'warning',
    lines: [
      '油烟浓度超标 Cooking fume over the limit · restaurant-1',
      '类别：餐饮油烟',
      '地点：唐闸镇，tangzhazhen-001，restaurant-1',
      '响应时限：2024-06-01 12:10',
      expect.stringMatching(/^责任队伍：/),
      '案件：20240601-fume-1',
    ],
    links: [
      { text: '控制台', url: 'https://grid.example.cn/#/cases/20240601-fume-1' },
      { text: '高德地图', url: expect.stringContaining('position=120.823900,32.061600') },
      { text: '腾讯地图', url: expect.stringContaining('coord:32.061600,120.823900') },
      { text: '百度地图', url: expect.stringContaining('location=32.061600,120.823900') },
    ],
  })
  expect(worded(one, 'en', options)).toMatchObject({
    title: 'New case · Orange · Tangzha Town',
    lines: expect.arrayContaining([
      'Respond by: 2024-06-01 12:10',
      'Place: Tangzha Town, tangzhazhen-001, restaurant-1',
    ]),
  })
})

test.each(LANGUAGES)('every event has its own title in %s', (language) => {
  const titles = EVENTS.flatMap((event) =>
    event === 'escalated'
      ? (['blue', 'yellow', 'red'] as const).map((colour) => notice({ event, colour }))
      : [notice({ event })],
  ).map((told) => worded(announcementOf([told], 5), language, options).title)
  expect(new Set(titles).size).toBe(titles.length)
})

test('a return says who and why, a closed case what was found, and neither a deadline that no longer runs', () => {
  const returned = notice({
    event: 'returned',
    actor: 'wang',
    note: '大门锁着',
    case: facts({ state: 'queued' }),
  })
  expect(worded(announcementOf([returned], 5), 'zh', options).lines).toEqual(
    expect.arrayContaining(['操作人：wang', '说明：大门锁着']),
  )
  const closed = notice({
    event: 'closed',
    case: facts({ state: 'closed', closeCode: 'confirmed', clock: null }),
  })
  const { lines, tone } = worded(announcementOf([closed], 5), 'en', options)
  expect(lines).toContain('Outcome: Confirmed')
  expect(lines.join()).not.toContain('by:')
  expect(tone).toBe('calm')
})

test('names are those of the district where it has them, ids where it has none', () => {
  const site = district.sites![0]!
  const category = Object.keys(district.categories!)[0]!
  const department = district.teams.find(({ level }) => level === 'department')!
  const told = notice({
    event: 'whistle',
    actor: 'wu',
    departments: [department.id, 'nobody'],
    case: facts({ site: site.id, category }),
  })
  const { lines } = worded(announcementOf([told], 5), 'zh', options)
  expect(lines).toEqual(
    expect.arrayContaining([
      `类别：${district.categories![category]!.title.zh}`,
      expect.stringContaining(site.title.zh),
      `部门：${department.title.zh}、nobody`,
    ]),
  )
})

test('many are counted by event and street, the worst few named, the rest left to the console', () => {
  const many = Array.from({ length: 7 }, (_, index) =>
    notice({ id: `n${index}`, case: facts({ id: `c${index}`, severity: index === 6 ? 'red' : 'orange' }) }),
  )
  const same = announcementOf(many, 5)
  expect(worded(same, 'zh', options)).toMatchObject({ title: '唐闸镇 7 起新案件' })
  expect(worded(same, 'en', options)).toMatchObject({ title: '7 new cases in Tangzha Town' })
  expect(worded(same, 'zh', options).lines).toHaveLength(6)
  expect(worded(same, 'zh', options).lines[0]).toMatch(/^红色 · .*（12:10 前响应）$/)
  expect(worded(same, 'zh', options).lines.at(-1)).toBe('另有 2 起，见控制台')

  const mixed = announcementOf(
    [...many, notice({ id: 'x', event: 'closed', case: facts({ street: 'hongqiao' }) })],
    5,
  )
  const { title, lines } = worded(mixed, 'en', options)
  expect(title).toBe('8 changes of cases in Chongchuan District')
  expect(lines.slice(0, 2)).toEqual(['7 new cases in Tangzha Town', '1 closed case in Hongqiao'])
})

test('a merged announcement has the same id for the same notices, and another for others', () => {
  const two = [notice({ id: 'a' }), notice({ id: 'b' })]
  expect(announcementOf(two, 5).id).toBe(announcementOf(two, 1).id)
  expect(announcementOf(two, 5).id).not.toBe(announcementOf([...two, notice({ id: 'c' })], 5).id)
})

test.each(LANGUAGES)('without the address of the console there is no link to it, in %s', (language) => {
  const { links } = worded(one, language, { ...options, consoleUrl: '' })
  expect(links.map(({ url }) => new URL(url).host)).toEqual([
    'uri.amap.com',
    'apis.map.qq.com',
    'api.map.baidu.com',
  ])
  expect(wordedTest(language, options, 0).lines[1]).toBe('1970-01-01 08:00')
})
