import { gatewayNow } from './api.js'
import { el } from './element.js'
import { dayTime, moment } from './time.js'
import { titleOf, wordFor, words } from './words.js'

const GATEWAY = 'gateway'
/** Entries whose note is the id of an alarm: `{device}~{rule}~{startedAt}`. */
const ALARM = /^(.+)~(.+)~\d+$/

/**
 * One entry of a case's timeline as somebody reads it: when, what, who, whom it went to, and by how much it was off.
 *
 * @param {object} entry
 * @param {import('./live.js').Live} live
 */
export function timelineEntry(entry, live) {
  const w = words()
  const note = noteOf(entry, live)
  const who = [
    entry.actor === GATEWAY ? w.system : entry.actor,
    entry.clock && wordFor('clock', entry.clock),
    entry.team && `→ ${live.teamOf(entry.team)}`,
    entry.crew && live.teamOf(entry.crew),
    entry.department && live.teamOf(entry.department),
    entry.until && w.untilTime(moment(entry.until, gatewayNow())),
    entry.code && wordFor('code', entry.code),
    entry.reason && (w.alarmEnd[entry.reason] ?? entry.reason),
    entry.offSite && w.offSite(entry.offSite),
  ]
  return el(
    'li',
    {},
    el('time', { title: dayTime(entry.at) }, moment(entry.at, gatewayNow())),
    el('b', {}, wordFor('action', entry.action)),
    el('span', { class: 'quiet' }, who.filter(Boolean).join(' · ').replaceAll('· →', '→')),
    note && el('p', {}, note),
    entry.publicNote && el('p', { class: 'told' }, `${w.toldPeople}${entry.publicNote}`),
  )
}

/** What people wrote stays as it is; the gateway's own notes are codes and ids, which are put into words. */
function noteOf({ actor, action, note }, live) {
  if (note === null || actor !== GATEWAY) return note
  const w = words()
  if (action === 'evidence_frozen') return w.frozenAt[note] ?? note
  const [, device, rule] = ALARM.exec(note) ?? []
  if (device !== undefined) return `${device} · ${titleOf(live.rules.get(rule)?.title, rule)}`
  return w.gatewayNote[note] ?? note
}
