import { SEVERITIES, type Severity } from '../../model/alarm.ts'
import type { Language } from './wording.ts'
import type { Notice, NoticeEvent } from './notice.ts'

export const CHANNEL_TYPES = ['wecom', 'dingtalk', 'feishu', 'webhook'] as const
export type ChannelType = (typeof CHANNEL_TYPES)[number]

/** What a receiver wants to hear of; what is absent leaves nothing out. */
export interface Filter {
  readonly streets?: readonly string[]
  /** Cases that one of them answers for, works on or was whistled to. */
  readonly teams?: readonly string[]
  readonly categories?: readonly string[]
  readonly minSeverity?: Severity
  readonly events?: readonly NoticeEvent[]
}

/** Somebody outside who is told of cases. `url` and `secret` are secrets: they leave the gateway only to be used. */
export interface Subscription {
  readonly id: string
  readonly type: ChannelType
  readonly url: string
  readonly secret: string | null
  readonly language: Language
  readonly filter: Filter
  /** Posts a minute; what the channel allows when null. */
  readonly rate: number | null
  readonly createdBy: string
  readonly createdAt: number
}

export function wants(filter: Filter, { event, case: facts }: Notice): boolean {
  const { streets, teams, categories, minSeverity, events } = filter
  return (
    (streets?.includes(facts.street) ?? true) &&
    (teams?.some((team) => team === facts.team || team === facts.crew || facts.called.includes(team)) ??
      true) &&
    (categories?.includes(facts.category) ?? true) &&
    (events?.includes(event) ?? true) &&
    (minSeverity === undefined || SEVERITIES.indexOf(facts.severity) >= SEVERITIES.indexOf(minSeverity))
  )
}
