import { gatewayNow } from './api.js'
import { el, reconcile } from './element.js'
import { age, dayTime } from './time.js'
import { titleOf, wordFor, words } from './words.js'

/** Newest first; those that fire stand out. */
export class AlarmsPanel {
  #list = el('ol', { class: 'alarms' })
  #count = el('span', { class: 'count' })
  #empty = el('div', { class: 'empty' })
  element = el('section', { class: 'panel alarms-panel', 'aria-labelledby': 'alarms-title' })

  constructor() {
    const w = words()
    this.#empty.append(el('strong', {}, w.noAlarms), el('p', {}, w.noAlarmsHint))
    this.element.append(
      el('header', {}, el('h2', { id: 'alarms-title' }, w.alarms), this.#count),
      el(
        'div',
        { class: 'scroll', tabindex: 0, role: 'region', 'aria-labelledby': 'alarms-title' },
        this.#empty,
        this.#list,
      ),
    )
  }

  /** @param {import('./live.js').Live} live */
  draw(live) {
    const alarms = [...live.alarms.values()].sort(
      (a, b) => b.startedAt - a.startedAt || (a.id < b.id ? 1 : -1),
    )
    const firing = alarms.filter((alarm) => alarm.state === 'firing').length
    this.#count.textContent = words().shown(firing, alarms.length)
    this.#empty.hidden = alarms.length > 0
    reconcile(
      this.#list,
      alarms,
      (alarm) => alarm.id,
      (alarm) => [alarm.state, alarm.severity, alarm.value, alarm.peak, live.rules.has(alarm.rule)].join(),
      (alarm) => drawAlarm(alarm, live),
    )
  }

  tick() {
    for (const when of this.#list.querySelectorAll('[data-since]'))
      when.textContent = age(gatewayNow() - Number(when.dataset.since))
  }
}

function drawAlarm(alarm, live) {
  const w = words()
  const street = live.district.streets.find((known) => known.id === alarm.street)
  const number = (value) => (value === null ? null : String(Math.round(value * 1000) / 1000))
  const values = [
    alarm.value === null ? null : `${w.now} ${number(alarm.value)}`,
    alarm.peak === null ? null : `${w.peak} ${number(alarm.peak)}`,
  ].filter((text) => text !== null)
  return el(
    'li',
    { class: `alarm ${alarm.state} severity-${alarm.severity}` },
    el(
      'div',
      { class: 'alarm-head' },
      el('span', { class: `dot severity-${alarm.severity}`, title: wordFor('severity', alarm.severity) }),
      el('strong', { class: 'clip' }, titleOf(live.rules.get(alarm.rule)?.title, alarm.rule)),
      el(
        'time',
        { 'data-since': alarm.startedAt, title: dayTime(alarm.startedAt) },
        age(gatewayNow() - alarm.startedAt),
      ),
    ),
    el(
      'div',
      { class: 'alarm-body' },
      el('span', { class: 'clip' }, `${alarm.device} · ${titleOf(street?.title, alarm.street)}`),
      el('span', { class: 'numbers' }, values.join(' · ')),
      el('span', { class: `tag ${alarm.state}` }, wordFor('alarmState', alarm.state)),
      alarm.simulated === true && el('span', { class: 'tag' }, w.simulated),
      alarm.stale === true && el('span', { class: 'tag' }, w.stale),
    ),
  )
}
