import { gatewayNow } from './api.js'
import { el, reconcile } from './element.js'
import { age, dayTime } from './time.js'
import { locale, titleOf, wordFor, words } from './words.js'

/** Rows drawn at most; finding narrows them. */
const ROWS = 300

/** Every device with its newest reading; those with a firing alarm come first. */
export class DevicesPanel {
  #live
  #rows = el('tbody')
  #count = el('span', { class: 'count' })
  #find = el('input', {
    type: 'search',
    id: 'find',
    maxlength: 64,
    placeholder: words().find,
    'aria-label': words().find,
  })
  #kind = el('select', { 'aria-label': words().allKinds })
  #empty = el('div', { class: 'empty' })
  element = el('section', { class: 'panel devices-panel', 'aria-labelledby': 'devices-title' })

  /**
   * @param {import('./live.js').Live} live
   * @param {Node | false} tool beside the search
   */
  constructor(live, tool) {
    this.#live = live
    const w = words()
    const redraw = () => this.draw()
    this.#find.addEventListener('input', redraw)
    this.#kind.addEventListener('change', redraw)
    this.element.append(
      el(
        'header',
        {},
        el('h2', { id: 'devices-title' }, w.devices),
        this.#count,
        el('div', { class: 'tools' }, tool, this.#kind, this.#find),
      ),
      el(
        'div',
        { class: 'scroll', tabindex: 0, role: 'region', 'aria-labelledby': 'devices-title' },
        this.#empty,
        el(
          'table',
          {},
          el(
            'thead',
            {},
            el(
              'tr',
              {},
              ...[w.device, w.place, w.readings, w.when].map((title) => el('th', { scope: 'col' }, title)),
            ),
          ),
          this.#rows,
        ),
      ),
    )
  }

  draw() {
    const live = this.#live
    const w = words()
    const alarmed = worstFiring(live.alarms.values())
    this.#drawKinds()
    const sought = this.#find.value.trim().toLowerCase()
    const found = [...live.devices.values()].filter(
      (device) =>
        (this.#kind.value === '' || device.kind === this.#kind.value) &&
        (sought === '' || this.#textOf(device).includes(sought)),
    )
    found.sort((a, b) => rank(alarmed.get(b.id)) - rank(alarmed.get(a.id)) || (a.id < b.id ? -1 : 1))
    this.#count.textContent = w.shown(Math.min(found.length, ROWS), live.devices.size)
    this.#empty.hidden = found.length > 0
    const none = live.devices.size === 0
    this.#empty.replaceChildren(
      el('strong', {}, none ? w.noDevices : w.noMatch),
      el('p', {}, none ? w.noDevicesHint : ''),
    )
    this.#rows.parentElement.hidden = found.length === 0
    reconcile(
      this.#rows,
      found.slice(0, ROWS),
      (device) => device.id,
      (device) => JSON.stringify([device, alarmed.get(device.id), live.kinds.size, live.sites.size]),
      (device) => drawDevice(device, alarmed.get(device.id), live),
    )
  }

  tick() {
    for (const when of this.#rows.querySelectorAll('[data-since]'))
      when.textContent = age(gatewayNow() - Number(when.dataset.since))
  }

  #textOf(device) {
    const street = this.#live.district.streets.find((known) => known.id === device.street)
    return [
      device.id,
      device.site,
      this.#live.siteOf(device.site),
      device.street,
      device.grid,
      street?.title.zh,
      street?.title.en,
    ]
      .join(' ')
      .toLowerCase()
  }

  #drawKinds() {
    const kinds = [...new Set([...this.#live.devices.values()].map((device) => device.kind))].sort((a, b) =>
      a < b ? -1 : 1,
    )
    const version = kinds.join()
    if (this.#kind.dataset.version === version && this.#kind.options.length > 0) return
    const chosen = this.#kind.value
    this.#kind.dataset.version = version
    this.#kind.replaceChildren(
      el('option', { value: '' }, words().allKinds),
      ...kinds.map((kind) => el('option', { value: kind }, titleOf(this.#live.kinds.get(kind)?.title, kind))),
    )
    this.#kind.value = kinds.includes(chosen) ? chosen : ''
  }
}

const SEVERITIES = ['blue', 'yellow', 'orange', 'red']
const rank = (severity) => SEVERITIES.indexOf(severity)

/** By device: the highest severity of its firing alarms. */
function worstFiring(alarms) {
  const worst = new Map()
  for (const { device, state, severity } of alarms)
    if (state === 'firing' && rank(severity) > rank(worst.get(device))) worst.set(device, severity)
  return worst
}

function drawDevice(device, severity, live) {
  const w = words()
  const kind = live.kinds.get(device.kind)
  const street = live.district.streets.find((known) => known.id === device.street)
  const { last, presence } = device
  const state = presence === null ? 'unknown' : presence.online ? 'online' : 'offline'
  const stateWord = { unknown: w.unknownPresence, online: w.online, offline: w.offline }[state]
  return el(
    'tr',
    { class: severity === undefined ? null : `severity-${severity}` },
    el(
      'th',
      { scope: 'row' },
      el('span', { class: `dot ${state}`, title: stateWord }),
      el('span', { class: 'unseen' }, stateWord),
      el('span', { class: 'clip', title: device.id }, device.id),
      el('small', {}, titleOf(kind?.title, device.kind)),
      device.attributes?.simulated === true && el('span', { class: 'tag' }, w.simulated),
    ),
    el(
      'td',
      { class: 'place' },
      el('span', { class: 'clip', title: device.site }, live.siteOf(device.site)),
      el('small', {}, titleOf(street?.title, device.street)),
    ),
    el(
      'td',
      {},
      el(
        'div',
        { class: 'metrics' },
        ...(last === null || last === undefined
          ? [el('span', { class: 'quiet' }, w.noReading)]
          : Object.entries(last.metrics).map(([name, value]) =>
              drawMetric(name, value, last.flags?.[name], kind?.metrics[name]),
            )),
      ),
    ),
    el(
      'td',
      { class: 'when' },
      last === null || last === undefined
        ? '–'
        : el('time', { 'data-since': last.ts, title: dayTime(last.ts) }, age(gatewayNow() - last.ts)),
    ),
  )
}

function drawMetric(name, value, flag, metric) {
  const text =
    typeof value === 'boolean'
      ? value
        ? '✓'
        : '✗'
      : new Intl.NumberFormat(locale(), { maximumFractionDigits: metric?.decimals ?? 3 }).format(value)
  return el(
    'span',
    { class: flag === undefined ? 'metric' : 'metric flagged' },
    el('span', { class: 'metric-name' }, titleOf(metric?.title, name)),
    el('b', {}, text),
    typeof value === 'number' && metric !== undefined && el('span', { class: 'unit' }, metric.unit),
    flag !== undefined && el('span', { class: 'tag' }, wordFor('flag', flag)),
  )
}
