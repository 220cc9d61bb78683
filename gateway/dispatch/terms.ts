import type { Severity } from '../model/alarm.ts'
import type { Action, CaseState, ClockName, CloseCode, DeadlineColour } from '../model/case.ts'
import type { Level } from '../model/district.ts'
import type { WhistleAction, WhistleState } from '../model/whistle.ts'

/**
 * What the words of a case's life are called, in Chinese as grid officers know them (GB/T 30428.8: 立案、处置和结案;
 * 派遣, 核查, 督办 … of digital city management) and in English. Data for consoles, announcements and reports:
 * nobody else writes these down.
 */
export interface Term {
  readonly zh: string
  readonly en: string
}

/** What the gateway writes into a timeline beside people's actions. */
export const NOTES = [
  'opened',
  'recurrence',
  'alarm_joined',
  'alarm_cleared',
  'alarm_withdrawn',
  'alarms_left_out',
  'report_joined',
  'severity_raised',
  'deadline_blue',
  'deadline_yellow',
  'deadline_red',
  'verify_proposed',
  'proposal_withdrawn',
  'speak',
  'speak_answered',
  'look',
  'look_answered',
  'crew_called',
  'evidence_added',
  'evidence_frozen',
  'whistle',
  'whistle_reported_in',
  'whistle_done',
  'whistle_withdrawn',
  'whistle_blue',
  'whistle_yellow',
  'whistle_red',
] as const
export type Note = (typeof NOTES)[number]

export const TERMS = {
  state: {
    queued: { zh: '待派遣', en: 'Waiting to be assigned' },
    dispatched: { zh: '已派遣', en: 'Dispatched' },
    accepted: { zh: '已接单', en: 'Accepted' },
    on_site: { zh: '已到场', en: 'On site' },
    handled: { zh: '已处置', en: 'Handled' },
    verified: { zh: '已核查', en: 'Verified' },
    closed: { zh: '已结案', en: 'Closed' },
    suspended: { zh: '已挂起', en: 'Suspended' },
    void: { zh: '已作废', en: 'Void' },
  } satisfies Record<CaseState, Term>,
  action: {
    assign: { zh: '派遣', en: 'Assign' },
    accept: { zh: '接单', en: 'Accept' },
    arrive: { zh: '到场', en: 'Arrive' },
    handle: { zh: '处置', en: 'Handle' },
    verify: { zh: '核查', en: 'Verify' },
    close: { zh: '结案', en: 'Close' },
    return: { zh: '退回', en: 'Return' },
    rework: { zh: '返工', en: 'Rework' },
    void: { zh: '作废', en: 'Void' },
    suspend: { zh: '挂起', en: 'Suspend' },
    resume: { zh: '恢复', en: 'Resume' },
    extend: { zh: '延期', en: 'Extend' },
    supervise: { zh: '督办', en: 'Supervise' },
  } satisfies Record<Action, Term>,
  note: {
    opened: { zh: '立案', en: 'Case filed' },
    recurrence: { zh: '结案后再次发生', en: 'Happens again after it was closed' },
    alarm_joined: { zh: '告警并入', en: 'Alarm joined' },
    alarm_cleared: { zh: '告警解除', en: 'Alarm cleared' },
    alarm_withdrawn: { zh: '告警撤回', en: 'Alarm withdrawn' },
    alarms_left_out: { zh: '其余告警不再列出', en: 'Further alarms are left out' },
    report_joined: { zh: '市民反映并入', en: 'Report joined' },
    severity_raised: { zh: '级别上升', en: 'Severity raised' },
    deadline_blue: { zh: '临近时限', en: 'Deadline near' },
    deadline_yellow: { zh: '超过时限', en: 'Deadline passed' },
    deadline_red: { zh: '严重超时', en: 'Long overdue' },
    verify_proposed: { zh: '监测恢复正常，建议核查', en: 'Back to normal: check proposed' },
    proposal_withdrawn: { zh: '再次超限，撤回建议', en: 'Fires again: proposal withdrawn' },
    speak: { zh: '喊话', en: 'Loudspeaker told to speak' },
    speak_answered: { zh: '喊话回执', en: 'Answer of the loudspeaker' },
    look: { zh: '派设备复看', en: 'Second look ordered' },
    look_answered: { zh: '复看回执', en: 'Answer to the second look' },
    crew_called: { zh: '通知队伍', en: 'Crew called' },
    evidence_added: { zh: '添加证据', en: 'Evidence added' },
    evidence_frozen: { zh: '固定证据', en: 'Evidence frozen' },
    whistle: { zh: '吹哨', en: 'Whistle: department called' },
    whistle_reported_in: { zh: '部门报到', en: 'Department reported in' },
    whistle_done: { zh: '部门办结', en: 'Department done' },
    whistle_withdrawn: { zh: '撤回吹哨', en: 'Whistle withdrawn' },
    whistle_blue: { zh: '部门临近时限', en: "Department's deadline near" },
    whistle_yellow: { zh: '部门超过时限', en: "Department's deadline passed" },
    whistle_red: { zh: '部门严重超时', en: 'Department long overdue' },
  } satisfies Record<Note, Term>,
  closeCode: {
    confirmed: { zh: '属实', en: 'Confirmed' },
    false_alarm: { zh: '误报', en: 'False alarm' },
    not_found: { zh: '未发现', en: 'Not found' },
    device_fault: { zh: '设备故障', en: 'Device fault' },
    duplicate: { zh: '重复', en: 'Duplicate' },
  } satisfies Record<CloseCode, Term>,
  deadlineColour: {
    none: { zh: '正常', en: 'On time' },
    blue: { zh: '蓝色：临近时限', en: 'Blue: deadline near' },
    yellow: { zh: '黄色：超过时限', en: 'Yellow: deadline passed' },
    red: { zh: '红色：严重超时', en: 'Red: long overdue' },
  } satisfies Record<DeadlineColour, Term>,
  severity: {
    blue: { zh: '蓝色', en: 'Blue' },
    yellow: { zh: '黄色', en: 'Yellow' },
    orange: { zh: '橙色', en: 'Orange' },
    red: { zh: '红色', en: 'Red' },
  } satisfies Record<Severity, Term>,
  clock: {
    respond: { zh: '响应', en: 'Respond' },
    arrive: { zh: '到场', en: 'Arrive' },
    resolve: { zh: '办结', en: 'Resolve' },
  } satisfies Record<ClockName, Term>,
  level: {
    grid: { zh: '网格', en: 'Grid' },
    street: { zh: '街道', en: 'Street' },
    district: { zh: '区级', en: 'District' },
  } satisfies Record<Level, Term>,
  whistleState: {
    blown: { zh: '待报到', en: 'Called' },
    reported_in: { zh: '已报到', en: 'Reported in' },
    done: { zh: '已办结', en: 'Done' },
    withdrawn: { zh: '已撤回', en: 'Withdrawn' },
  } satisfies Record<WhistleState, Term>,
  whistleAction: {
    report_in: { zh: '报到', en: 'Report in' },
    done: { zh: '办结', en: 'Done' },
    withdraw: { zh: '撤回吹哨', en: 'Withdraw the whistle' },
  } satisfies Record<WhistleAction, Term>,
} as const

/** What a timeline entry's `action` is called, whoever wrote it; an unknown one is its own name. */
export function entryTerm(action: string): Term {
  const known: Readonly<Record<string, Term>> = { ...TERMS.action, ...TERMS.note }
  return Object.hasOwn(known, action) ? known[action]! : { zh: action, en: action }
}
