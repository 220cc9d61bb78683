import { DateTime } from 'luxon'
import type { DeadlineColour } from '../../model/case.ts'
import type { Position } from '../../model/reading.ts'
import type { District } from '../../model/district.ts'
import { categoryOf } from '../../district/routing.ts'
import { consoleLink, mapLinks } from '../links.ts'
import { TERMS } from '../terms.ts'
import type { Announcement, Group } from './announcement.ts'
import type { Message } from './message.ts'
import type { Notice, NoticeEvent } from './notice.ts'
import { shortened } from './robot-text.ts'

export const LANGUAGES = ['zh', 'en'] as const
export type Language = (typeof LANGUAGES)[number]

export interface WordingOptions {
  readonly district: District
  /** By the district's list; {@link siteTitles} makes it once. */
  readonly sites: ReadonlyMap<string, { readonly zh: string; readonly en: string }>
  /** Where people open the console; links to it are left out when it is not known. */
  readonly consoleUrl: string
}

export function siteTitles({ sites = [] }: District): WordingOptions['sites'] {
  return new Map(sites.map(({ id, title }) => [id, title]))
}

/** Titles and notes of people and rules, characters. */
const TEXT_LIMIT = 120
/** What a map shows at the pin, characters: each costs nine bytes in a link. */
const PIN_LIMIT = 20
/** Of a merged message. */
const GROUPS_SHOWN = 8
export const NOTICES_SHOWN = 5

/** One event: what it is called alone, and how several are counted. */
interface Words {
  readonly alone: string
  readonly one: string
  readonly many: string
}

const WORDS: Readonly<Record<Language, Readonly<Record<Exclude<NoticeEvent, 'escalated'>, Words>>>> = {
  zh: {
    opened: { alone: '新案件', one: '起新案件', many: '起新案件' },
    raised: { alone: '级别上升', one: '起案件级别上升', many: '起案件级别上升' },
    supervised: { alone: '督办', one: '起案件被督办', many: '起案件被督办' },
    returned: { alone: '退回', one: '起案件被退回', many: '起案件被退回' },
    rework: { alone: '返工', one: '起案件返工', many: '起案件返工' },
    whistle: { alone: '吹哨', one: '起案件吹哨', many: '起案件吹哨' },
    verify_proposed: { alone: '建议核查', one: '起案件建议核查', many: '起案件建议核查' },
    closed: { alone: '结案', one: '起案件结案', many: '起案件结案' },
  },
  en: {
    opened: { alone: 'New case', one: 'new case', many: 'new cases' },
    raised: { alone: 'Severity raised', one: 'case of higher severity', many: 'cases of higher severity' },
    supervised: {
      alone: 'Under supervision',
      one: 'case under supervision',
      many: 'cases under supervision',
    },
    returned: { alone: 'Returned', one: 'returned case', many: 'returned cases' },
    rework: { alone: 'Rework', one: 'case to be reworked', many: 'cases to be reworked' },
    whistle: { alone: 'Whistle', one: 'whistle', many: 'whistles' },
    verify_proposed: { alone: 'Check proposed', one: 'case to be checked', many: 'cases to be checked' },
    closed: { alone: 'Closed', one: 'closed case', many: 'closed cases' },
  },
}

/** By the colour of the deadline. */
const ESCALATED_WORDS: Readonly<Record<Language, Readonly<Record<DeadlineColour, Words>>>> = {
  zh: {
    none: { alone: '升级', one: '起案件升级', many: '起案件升级' },
    blue: { alone: '临近时限', one: '起案件临近时限', many: '起案件临近时限' },
    yellow: { alone: '超过时限', one: '起案件超过时限', many: '起案件超过时限' },
    red: { alone: '严重超时', one: '起案件严重超时', many: '起案件严重超时' },
  },
  en: {
    none: { alone: 'Escalated', one: 'escalated case', many: 'escalated cases' },
    blue: { alone: 'Deadline near', one: 'case near its deadline', many: 'cases near their deadlines' },
    yellow: { alone: 'Overdue', one: 'overdue case', many: 'overdue cases' },
    red: { alone: 'Long overdue', one: 'long overdue case', many: 'long overdue cases' },
  },
}

function wordsOf({ event, colour }: Pick<Notice, 'event' | 'colour'>, language: Language): Words {
  return event === 'escalated' ? ESCALATED_WORDS[language][colour ?? 'none'] : WORDS[language][event]
}

/** The announcement as people read it. Pure; all times are local ones. */
export function worded(announcement: Announcement, language: Language, options: WordingOptions): Message {
  const [first] = announcement.notices
  return announcement.count === 1 && first !== undefined
    ? ofOne(first, language, options)
    : ofMany(announcement, language, options)
}

/** What a test of the subscription sends. */
export function wordedTest(language: Language, options: WordingOptions, now: number): Message {
  const zh = language === 'zh'
  const district = options.district.title[language]
  return {
    title: zh ? '网格哨：测试消息' : 'Gridwhistle: a test',
    tone: 'calm',
    lines: [
      zh ? `${district}的案件通知将发到这里。` : `Announcements of ${district} will arrive here.`,
      localTime(now),
    ],
    links: [],
  }
}

function ofOne(notice: Notice, language: Language, options: WordingOptions): Message {
  const { case: facts, actor, note } = notice
  const zh = language === 'zh'
  const street = streetName(facts.street, language, options)
  const said = (label: string, text: string) => (zh ? `${label}：${text}` : `${label}: ${text}`)
  const lines = [
    shortened(facts.title, TEXT_LIMIT),
    said(
      zh ? '类别' : 'Category',
      categoryOf(options.district, facts.category)?.title[language] ?? facts.category,
    ),
    said(
      zh ? '地点' : 'Place',
      [street, facts.grid, options.sites.get(facts.site)?.[language] ?? facts.site].join(zh ? '，' : ', '),
    ),
  ]
  if (facts.clock !== null) {
    const by = localTime(facts[`${facts.clock}By`])
    const clock = TERMS.clock[facts.clock][language]
    lines.push(said(zh ? `${clock}时限` : `${clock} by`, by))
  }
  const namesTeam = notice.event === 'escalated' || notice.event === 'opened' || notice.event === 'returned'
  if (namesTeam && facts.team !== null)
    lines.push(said(zh ? '责任队伍' : 'Team', teamName(facts.team, language, options)))
  if (notice.departments !== undefined) {
    const called = notice.departments.map((id) => teamName(id, language, options))
    lines.push(said(zh ? '部门' : 'Departments', called.join(zh ? '、' : ', ')))
  }
  if (notice.event === 'closed')
    lines.push(
      said(
        zh ? '结论' : 'Outcome',
        facts.closeCode === null
          ? TERMS.state[facts.state][language]
          : TERMS.closeCode[facts.closeCode][language],
      ),
    )
  if (notice.event === 'closed' && facts.team === null)
    lines.push(zh ? '喊话等待期内结束，未派队伍' : 'Ended while a loudspeaker spoke; no crew was called')
  if (actor !== 'gateway') lines.push(said(zh ? '操作人' : 'By', shortened(actor, TEXT_LIMIT)))
  if (note !== null && note.trim() !== '') lines.push(said(zh ? '说明' : 'Note', shortened(note, TEXT_LIMIT)))
  lines.push(said(zh ? '案件' : 'Case', facts.id))
  const severity = TERMS.severity[facts.severity][language]
  return {
    title: [wordsOf(notice, language).alone, severity, street].join(' · '),
    tone: isUrgent(notice) ? 'warning' : 'calm',
    lines,
    links: linksOf(notice, language, options),
  }
}

function ofMany(announcement: Announcement, language: Language, options: WordingOptions): Message {
  const { groups, notices, count } = announcement
  const zh = language === 'zh'
  const [only] = groups
  const district = options.district.title[language]
  const title =
    groups.length === 1 && only !== undefined
      ? counted(only, language, options)
      : zh
        ? `${district} ${count} 条案件动态`
        : `${count} changes of cases in ${district}`
  const lines =
    groups.length === 1 ? [] : groups.slice(0, GROUPS_SHOWN).map((group) => counted(group, language, options))
  if (groups.length > GROUPS_SHOWN) {
    const rest = groups.slice(GROUPS_SHOWN).reduce((sum, group) => sum + group.count, 0)
    lines.push(zh ? `其他 ${rest} 条` : `${rest} others`)
  }
  const shown = notices.slice(0, NOTICES_SHOWN)
  for (const notice of shown) lines.push(inShort(notice, language))
  if (count > shown.length)
    lines.push(zh ? `另有 ${count - shown.length} 起，见控制台` : `and ${count - shown.length} more`)
  return {
    title,
    tone: notices.some(isUrgent) ? 'warning' : 'calm',
    lines,
    links:
      options.consoleUrl === ''
        ? []
        : [{ text: zh ? '控制台' : 'Console', url: `${options.consoleUrl}/#/cases` }],
  }
}

/** 唐闸镇 7 起新案件; 7 new cases in Tangzha Town. */
function counted(group: Group, language: Language, options: WordingOptions): string {
  const street = streetName(group.street, language, options)
  const { one, many } = wordsOf(group, language)
  return language === 'zh'
    ? `${street} ${group.count} ${many}`
    : `${group.count} ${group.count === 1 ? one : many} in ${street}`
}

function inShort({ case: facts }: Notice, language: Language): string {
  const severity = TERMS.severity[facts.severity][language]
  const title = shortened(facts.title, TEXT_LIMIT / 2)
  if (facts.clock === null) return `${severity} · ${title}`
  const clock = TERMS.clock[facts.clock][language]
  const time = DateTime.fromMillis(facts[`${facts.clock}By`], { zone: ZONE }).toFormat('HH:mm')
  return language === 'zh'
    ? `${severity} · ${title}（${time} 前${clock}）`
    : `${severity} · ${title} (${clock.toLowerCase()} by ${time})`
}

function linksOf(
  { case: facts }: Notice,
  language: Language,
  { consoleUrl }: WordingOptions,
): Message['links'] {
  const zh = language === 'zh'
  const pin = shortened(facts.title, PIN_LIMIT)
  return [
    ...(consoleUrl === ''
      ? []
      : [{ text: zh ? '控制台' : 'Console', url: consoleLink(consoleUrl, facts.id) }]),
    ...(facts.position === null ? [] : mapsOf(facts.position, pin, zh)),
  ]
}

/** Everybody has another one of the three. */
function mapsOf(position: Position, pin: string, zh: boolean): Message['links'] {
  const { amap, tencent, baidu } = mapLinks(position, pin)
  return [
    { text: zh ? '高德地图' : 'Amap', url: amap },
    { text: zh ? '腾讯地图' : 'Tencent Maps', url: tencent },
    { text: zh ? '百度地图' : 'Baidu Maps', url: baidu },
  ]
}

const ZONE = 'Asia/Shanghai'

/** 2024-06-01 12:10 in the district's own time. */
function localTime(at: number): string {
  return DateTime.fromMillis(at, { zone: ZONE }).toFormat('yyyy-MM-dd HH:mm')
}

function isUrgent({ event, colour, case: facts }: Notice): boolean {
  if (event === 'closed' || event === 'verify_proposed') return false
  return ['orange', 'red'].includes(facts.severity) || colour === 'yellow' || colour === 'red'
}

function streetName(id: string, language: Language, { district }: WordingOptions): string {
  return district.streets.find((street) => street.id === id)?.title[language] ?? id
}

function teamName(id: string, language: Language, { district }: WordingOptions): string {
  return district.teams.find((team) => team.id === id)?.title[language] ?? id
}
