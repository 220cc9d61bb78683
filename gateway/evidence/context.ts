import { localMinute, onDuty } from '../district/duty.ts'
import { serves } from '../district/routing.ts'
import type { Alarm } from '../model/alarm.ts'
import type { Case } from '../model/case.ts'
import type { Device } from '../model/device.ts'
import type { District, Team } from '../model/district.ts'
import type { Kind, Kinds } from '../model/kind.ts'
import type { Rule } from '../model/rule.ts'
import type { RuleBook } from '../rule-book/rule-book.ts'
import type { RuleTexts } from '../rule-book/rule-texts.ts'
import type { Devices } from '../registry/devices.ts'
import type { Captured } from './capture-protocol.ts'
import type { Window } from './windows.ts'

export interface ContextSources {
  readonly devices: Pick<Devices, 'get' | 'shown'>
  readonly kinds: Kinds
  readonly ruleBook: Pick<RuleBook, 'get' | 'changes'>
  readonly ruleTexts: Pick<RuleTexts, 'ofAlarm' | 'version'>
  readonly district: District
}

/** What was true when a case's file was frozen: the part `context`. Times are epoch milliseconds. */
export interface Context {
  readonly part: 'context'
  readonly case: string
  readonly reason: string
  readonly frozenAt: number
  readonly windows: readonly Window[]
  /** Not frozen, for it would have been too much. */
  readonly leftOut: readonly Window[]
  readonly devicesLeftOut: readonly string[]
  readonly counts: Captured['counts']
  readonly capped: Captured['capped']
  readonly journalFrom: number | null
  readonly alarms: readonly Alarm[]
  /** The rules of the alarms, as they were when they raised them. */
  readonly rules: readonly ContextRule[]
  /** As registered, without secrets. */
  readonly devices: readonly Device[]
  readonly kinds: readonly Kind[]
  /** As the district file has it; null where it does not know the site. */
  readonly site: unknown
  /**
   * Every team that the case could have gone to, and who of it was on duty when the case was queued, by the district
   * file of the time; `members` is null for a team without a roster. Files from before this was kept have none.
   */
  readonly duty?: readonly TeamOnDuty[]
  readonly calibration: {
    /** What was marked as maintenance, calibration or anything else but normal (HJ 212 marks). */
    readonly marks: Captured['marks']
    /** Attributes of the devices that speak of calibration, cleaning or maintenance. */
    readonly attributes: Readonly<Record<string, Readonly<Record<string, unknown>>>>
  }
}

export interface TeamOnDuty {
  readonly team: string
  readonly level: Team['level']
  readonly title: Team['title']
  readonly members: readonly { readonly id: string; readonly name: string }[] | null
}

export interface ContextRule {
  readonly id: string
  readonly version: number
  /** Of the canonical JSON of the rule; left out for alarms from before it was kept with them. */
  readonly sha256?: string
  /** Null where that version is not kept. */
  readonly rule: Rule | null
}

export interface ContextRequest {
  readonly case: Case
  readonly alarms: readonly Alarm[]
  readonly reason: string
  readonly now: number
  readonly windows: readonly Window[]
  readonly leftOut: readonly Window[]
  readonly captured: Captured
  /** Devices beyond what one file holds. */
  readonly left: readonly { readonly device: string }[]
}

export function contextOf(
  { case: found, alarms, reason, now, windows, leftOut, captured, left }: ContextRequest,
  sources: ContextSources,
): Context {
  const { devices, kinds, district } = sources
  const ids = [...new Set(alarms.map(({ device }) => device))]
  const records = ids.flatMap((id) => {
    const device = devices.get(id)
    return device === undefined ? [] : [devices.shown(device)]
  })
  return {
    part: 'context',
    case: found.id,
    reason,
    frozenAt: now,
    windows,
    leftOut,
    devicesLeftOut: left.map(({ device }) => device),
    counts: captured.counts,
    capped: captured.capped,
    journalFrom: captured.journalFrom,
    alarms,
    rules: rulesOf(alarms, sources),
    devices: records,
    kinds: [...new Set(alarms.map(({ kind }) => kind))].flatMap((kind) => kinds.get(kind) ?? []),
    site: district.sites?.find(({ id }) => id === found.site) ?? null,
    duty: dutyOf(found, district),
    calibration: {
      marks: captured.marks,
      attributes: Object.fromEntries(
        records.map(({ id, attributes = {} }) => [
          id,
          Object.fromEntries(
            Object.entries(attributes).filter(([name]) => /calib|clean|mainten|verif/i.test(name)),
          ),
        ]),
      ),
    },
  }
}

function dutyOf(found: Case, { teams, calendar = {} }: District): TeamOnDuty[] {
  const at = localMinute(found.queuedAt)
  return teams
    .filter((team) => found.teams.includes(team.id) || (team.level !== 'department' && serves(team, found)))
    .map(({ id, level, title, roster }) => ({
      team: id,
      level,
      title,
      // Who they were, not how to reach them.
      members:
        roster === undefined
          ? null
          : onDuty(roster, calendar, at).map((one) => ({ id: one.id, name: one.name })),
    }))
}

function rulesOf(alarms: readonly Alarm[], sources: ContextSources): readonly ContextRule[] {
  const rules = new Map<string, ContextRule>()
  for (const { id: alarm, rule: id, ruleVersion: version } of alarms) {
    const texts = sources.ruleTexts.ofAlarm(alarm)
    for (const { sha256, rule } of texts)
      rules.set(sha256, { id: rule.id, version: rule.version, sha256, rule })
    if (texts.length === 0)
      rules.set(`${id} ${version}`, { id, version, rule: versionOf(sources, id, version) })
  }
  return [...rules.values()]
}

function versionOf({ ruleBook: book, ruleTexts }: ContextSources, id: string, version: number): Rule | null {
  const former = ruleTexts.version(id, version)
  if (former !== undefined) return former
  const present = book.get(id)
  if (present?.version === version) return present
  return book.changes(id, 100).find(({ rule }) => rule?.version === version)?.rule ?? null
}
