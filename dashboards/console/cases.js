import { gatewayNow } from './api.js'
import { caseFile } from './case-file.js'
import { colourAt, runningClock } from './clocks.js'
import { el, reconcile } from './element.js'
import { clockTime, countdown, dayTime, moment } from './time.js'
import { timelineEntry } from './timeline.js'
import { drawWhistles, mayWhistle, whistleDialog } from './whistles.js'
import { locale, titleOf, wordFor, words } from './words.js'

const SEVERITIES = ['blue', 'yellow', 'orange', 'red']
/** In this order buttons come first that lead the case on. */
const FORWARD = ['accept', 'arrive', 'handle', 'verify', 'close', 'resume', 'assign']

/** What a dispatcher looks for, besides everything. */
const FILTERS = {
  all: () => true,
  supervised: (item) => item.supervised,
  late: (item, now) => (runningClock(item)?.by ?? Infinity) < now,
  toVerify: (item) => item.state === 'handled' || item.proposal === 'verify',
}

/** Open cases as cards with countdowns, the most urgent first. */
export class CasesPanel {
  #act
  #user
  #mayDo
  #list = el('div', { class: 'cases', role: 'list' })
  #count = el('span', { class: 'count' })
  #empty = el('div', { class: 'empty' })
  #filter = 'all'
  #filters = new Map()
  #live = null
  #news = el('p', { class: 'unseen', role: 'status' })
  element = el('section', { class: 'panel cases-panel', 'aria-labelledby': 'cases-title' })

  /**
   * @param {Set<string>} mayDo actions that the user's role may do at all
   * @param {(item: object, action: string, opener: HTMLElement) => void} act
   * @param {{role: string, team: string | null}} user
   */
  constructor(mayDo, act, user) {
    this.#user = user
    this.#mayDo = mayDo
    this.#act = act
    const w = words()
    this.#empty.append(el('strong', {}, w.noCases), el('p', {}, w.noCasesHint))
    this.element.append(
      el('header', {}, el('h2', { id: 'cases-title' }, w.cases), this.#count, this.#filterBar()),
      el(
        'div',
        { class: 'scroll', tabindex: 0, role: 'region', 'aria-labelledby': 'cases-title' },
        this.#empty,
        this.#list,
      ),
      this.#news,
    )
  }

  #filterBar() {
    const bar = el('div', { class: 'filters', role: 'group', 'aria-label': words().filter })
    for (const name of Object.keys(FILTERS)) {
      const choose = () => {
        this.#filter = name
        if (this.#live !== null) this.draw(this.#live)
      }
      const button = el('button', { type: 'button', onclick: choose, 'data-filter': name })
      this.#filters.set(name, button)
      bar.append(button)
    }
    return bar
  }

  /** Said to screen readers. */
  announce(title) {
    this.#news.textContent = words().newCase(title)
  }

  /** @param {import('./live.js').Live} live */
  draw(live) {
    this.#live = live
    const all = [...live.cases.values()].sort(byUrgency)
    const cases = all.filter((item) => FILTERS[this.#filter](item, gatewayNow()))
    this.#count.textContent = words().shown(cases.length, all.length)
    for (const [name, button] of this.#filters) {
      const count = name === 'all' ? '' : ` ${all.filter((item) => FILTERS[name](item, gatewayNow())).length}`
      button.textContent = words().filters[name] + count
      button.setAttribute('aria-pressed', String(name === this.#filter))
    }
    this.#empty.hidden = cases.length > 0
    reconcile(
      this.#list,
      cases,
      (item) => item.id,
      (item) =>
        [
          item.version,
          item.deadlineColour,
          item.alarms.length,
          live.district.teams.length,
          live.rules.size,
          live.sites.size,
        ].join(' '),
      (item) => this.#card(item, live),
    )
    this.tick(live)
  }

  /** Every second: only the texts and colours that the time changes. */
  tick(live) {
    const now = gatewayNow()
    for (const card of this.#list.children) {
      const item = live.cases.get(card.dataset.key)
      const clock = item === undefined ? null : runningClock(item)
      if (clock === null) continue
      const left = clock.by - now
      const face = card.querySelector('.countdown')
      face.textContent = (left < 0 ? '+' : '') + countdown(left)
      const colour = colourAt(clock, now)
      card.dataset.colour = colour
      card.querySelector('.late').hidden = left >= 0
      const gone = Math.min(1, Math.max(0, (now - clock.from) / (clock.by - clock.from)))
      card.querySelector('.track').style.setProperty('--gone', String(gone))
    }
  }

  /** The card that a link named, brought before the reader. */
  show(id) {
    const card = [...this.#list.children].find((child) => child.dataset.key === id)
    if (card === undefined) return
    card.scrollIntoView({ block: 'center' })
    card.querySelector('details').open = true
    card.classList.add('shown')
    setTimeout(() => card.classList.remove('shown'), 3000)
  }

  #card(item, live) {
    const w = words()
    const street = live.district.streets.find((known) => known.id === item.street)
    const titleId = `case-${item.id}`
    const allowed = item.allowed.filter((action) => this.#mayDo.has(action))
    const main = FORWARD.find((action) => allowed.includes(action))
    const file = caseFile(item)
    const button = (action) =>
      el(
        'button',
        {
          type: 'button',
          class: action === main ? 'primary' : 'plain',
          'data-action': action,
          'aria-describedby': titleId,
          onclick: (event) => this.#act(item, action, event.currentTarget),
        },
        wordFor('action', action),
      )
    const card = el(
      'article',
      { class: `case severity-${item.severity}`, role: 'listitem', 'aria-labelledby': titleId },
      el(
        'div',
        { class: 'case-head' },
        el('span', { class: `tag severity severity-${item.severity}` }, wordFor('severity', item.severity)),
        el('span', { class: `tag state ${item.state}` }, wordFor('state', item.state)),
        item.simulated && el('span', { class: 'tag' }, w.simulated),
        item.supervised && el('span', { class: 'tag supervised' }, wordFor('action', 'supervise')),
        item.recurrence && el('span', { class: 'tag supervised', title: item.previous ?? '' }, w.recurrence),
        item.pendingUntil !== null &&
          el('span', { class: 'tag waiting' }, w.speaking(clockTime(item.pendingUntil))),
        item.proposal !== null && el('span', { class: 'tag proposal' }, w.proposal[item.proposal]),
        el('time', { class: 'opened', title: dayTime(item.queuedAt) }, clockTime(item.queuedAt)),
      ),
      el('h3', { id: titleId, title: item.title }, live.titleOf(item)),
      el(
        'p',
        { class: 'where' },
        el(
          'span',
          { class: 'clip', title: `${item.site} · ${item.grid}` },
          `${titleOf(street?.title, item.street)} · ${live.siteOf(item.site)}`,
        ),
        item.links.map !== null &&
          isWeb(item.links.map) &&
          el(
            'a',
            { class: 'map', href: item.links.map, target: '_blank', rel: 'noopener noreferrer' },
            w.map,
          ),
        el('span', { class: 'clip teams' }, teamsOf(item, live)),
      ),
      drawClocks(item),
      drawWhistles(item, this.#user, live.district.teams, (now) => live.takeCase(now)),
      allowed.length > 0 &&
        el(
          'div',
          { class: 'actions' },
          main !== undefined && button(main),
          ...allowed.filter((action) => action !== main).map(button),
          mayWhistle(this.#user, item) &&
            el(
              'button',
              {
                type: 'button',
                class: 'plain',
                'data-action': 'whistle',
                onclick: () =>
                  whistleDialog(item, live.district.teams, live.district, (now) => live.takeCase(now)),
              },
              w.whistle,
            ),
        ),
      el(
        'details',
        { ontoggle: (event) => event.currentTarget.open && file.load() },
        el('summary', {}, `${w.timeline} (${item.timeline.length})`),
        file.element,
        el('ol', { class: 'timeline' }, ...item.timeline.map((entry) => timelineEntry(entry, live))),
        el(
          'a',
          { class: 'export', href: `/api/v1/cases/${encodeURIComponent(item.id)}/export`, download: '' },
          w.exportFile,
        ),
      ),
    )
    card.dataset.colour = item.deadlineColour
    return card
  }
}

function drawClocks(item) {
  const w = words()
  const running = runningClock(item)
  const names = ['respond', 'arrive', 'resolve']
  const reached = running === null ? names.length : names.indexOf(running.name)
  return el(
    'div',
    { class: 'clocks' },
    el(
      'div',
      { class: 'face' },
      el('span', { class: 'face-name' }, running === null ? wordFor('state', item.state) : w[running.name]),
      // Not a live region: a screen reader must not read every second.
      el('span', { class: 'countdown', role: 'timer', 'aria-live': 'off' }, running === null ? '—' : ''),
      el('span', { class: 'tag late', hidden: true }, w.overdue),
    ),
    el('div', { class: 'track' }),
    el(
      'ol',
      { class: 'steps' },
      ...names.map((name, i) =>
        el(
          'li',
          { class: i < reached && item.state !== 'suspended' ? 'done' : i === reached ? 'running' : '' },
          el('span', {}, w[name]),
          el(
            'time',
            {},
            i < reached && item.state !== 'suspended' ? w.done : moment(item[`${name}By`], gatewayNow()),
          ),
        ),
      ),
    ),
  )
}

/** Who works on it, and who answers for it where that is somebody else: a case goes up when its time runs out. */
function teamsOf(item, live) {
  const w = words()
  if (item.team === null) return item.pendingUntil === null ? w.unassigned : w.notCalled
  const answers = live.teamOf(item.team)
  return item.crew === null || item.crew === item.team ? answers : `${live.teamOf(item.crew)} → ${answers}`
}

/** The longest overdue first, then by deadline; what has no running clock comes last. */
function byUrgency(a, b) {
  const share = (item) => runningClock(item)?.by ?? Infinity
  const severity = (item) => SEVERITIES.indexOf(item.severity)
  return (
    Number(share(a) === Infinity) - Number(share(b) === Infinity) ||
    severity(b) - severity(a) ||
    share(a) - share(b) ||
    a.id.localeCompare(b.id, locale())
  )
}

/** Links come from the gateway, but an address is code when it says so. */
function isWeb(address) {
  return /^https?:\/\//.test(address)
}
