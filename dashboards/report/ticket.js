import { call } from './api.js'
import { el } from './element.js'
import { header } from './header.js'
import { myTickets } from './store.js'
import { explain, locale, timeOf, titleOf, words } from './words.js'

/** The page asks again this often, ms, while somebody looks at it. */
const EVERY = 20_000
/** How many milestones a state has passed: received, taken on, on site, done. */
const PASSED = { received: 1, sent: 1, accepted: 2, on_site: 3, handled: 3, verified: 3, closed: 4, ended: 4 }

let number = decodeURIComponent(location.pathname.split('/')[2] ?? '')
/** @type {any} */
let ticket = null
/** @type {any} */
let problem = null
const rating = { score: 0, comment: '', failure: '', editing: false, sending: false }

document.documentElement.lang = locale()
draw()
await load()
setInterval(() => {
  if (document.visibilityState === 'visible' && !rating.editing) void load()
}, EVERY)

async function load() {
  if (number === '') return
  try {
    ticket = await call('GET', `/tickets/${encodeURIComponent(number)}`)
    problem = null
  } catch (error) {
    // What was shown before is better than nothing.
    if (ticket === null || !error.mayPass) problem = error
  }
  draw()
}

function draw() {
  const w = words()
  document.title = w.progress
  const where = ticket === null ? '' : titleOf(ticket.place)
  const main = ticket !== null && problem === null ? progress() : ask()
  const focus = document.activeElement?.id
  document.body.replaceChildren(header(w.progress, where, draw), main)
  if (focus) document.querySelector(`#${CSS.escape(focus)}`)?.focus()
}

/** No number yet, or one that is none. */
function ask() {
  const w = words()
  const box = el('input', {
    id: 'number',
    autocomplete: 'off',
    autocapitalize: 'characters',
    maxlength: 32,
    spellcheck: 'false',
  })
  box.value = number
  const submit = (event) => {
    event.preventDefault()
    number = box.value.trim()
    ticket = problem = null
    history.replaceState(null, '', number === '' ? '/t' : `/t/${encodeURIComponent(number)}`)
    draw()
    void load()
  }
  const isLoading = number !== '' && problem === null
  const failure = problem === null ? '' : problem.code === 'not_found' ? w.noTicket : explain(problem)
  return el(
    'main',
    {},
    el(
      'form',
      { onsubmit: submit },
      el(
        'section',
        {},
        el('h2', {}, el('label', { for: 'number' }, w.enterNumber)),
        box,
        el('p', { class: 'hint' }, w.numberHint),
      ),
      el('p', { class: 'failure', role: 'alert' }, failure),
      el('button', { class: 'primary', type: 'submit' }, isLoading ? w.loading : w.look),
    ),
    mine(),
  )
}

function mine() {
  const tickets = myTickets()
  if (tickets.length === 0) return false
  return el(
    'nav',
    { class: 'mine' },
    el('h2', {}, words().mine),
    ...tickets.map(({ ticket: one, title }) =>
      el('a', { href: `/t/${encodeURIComponent(one)}` }, el('span', {}, titleOf(title)), el('b', {}, one)),
    ),
  )
}

function progress() {
  const w = words()
  const { state } = ticket
  return el(
    'main',
    {},
    el(
      'section',
      { class: `state ${state}` },
      el('p', { class: 'quiet' }, titleOf(ticket.category)),
      el('h2', {}, w.state[state] ?? state),
      milestones(),
      el('p', { class: 'promise' }, promise()),
    ),
    ticket.result !== null && result(),
    ticket.rateUntil !== null && rate(),
    ticket.rateUntil === null && ticket.satisfaction !== null && rated(false),
    el('section', {}, el('ol', { class: 'steps' }, ...ticket.steps.toReversed().map(step))),
    ticket.joined && el('p', { class: 'hint joined' }, w.joinedHint),
    el(
      'section',
      { class: 'foot' },
      el('p', { class: 'quiet' }, w.number),
      el('p', { class: 'number small' }, ticket.ticket),
      el('p', { class: 'hint' }, w.updated),
    ),
  )
}

function milestones() {
  const w = words()
  const passed = PASSED[ticket.state] ?? milestoneBefore()
  return el(
    'ol',
    { class: 'milestones' },
    ...w.milestones.map((name, i) =>
      el('li', { class: i < passed ? 'passed' : '', 'aria-current': i === passed - 1 && 'step' }, name),
    ),
  )
}

/** A case that is paused is as far as it had come. */
function milestoneBefore() {
  const steps = ticket.steps.map((one) => one.step)
  if (steps.includes('arrived')) return 3
  return ticket.answeredAt === null ? 1 : 2
}

function promise() {
  const w = words()
  if (ticket.answeredAt !== null) return w.answered(titleOf(ticket.answeredBy), timeOf(ticket.answeredAt))
  if (ticket.state === 'closed' || ticket.state === 'ended') return ''
  const time = timeOf(ticket.answerBy)
  return Date.now() > ticket.answerBy ? w.answerLate(time) : w.answerBy(time)
}

function step({ at, step: name, team, note }) {
  const w = words()
  return el(
    'li',
    {},
    el('time', { datetime: new Date(at).toISOString() }, timeOf(at)),
    el(
      'div',
      {},
      el('b', {}, w.step[name] ?? name),
      team !== undefined && el('span', {}, ` ${titleOf(team)}`),
      note !== undefined && el('p', {}, note),
    ),
  )
}

function result() {
  const w = words()
  const { code, note } = ticket.result
  return el(
    'section',
    { class: 'result' },
    el('h2', {}, w.result),
    code !== null && el('p', {}, w.code[code] ?? code),
    note !== null && el('p', { class: 'note' }, note),
  )
}

function rate() {
  if (ticket.satisfaction !== null && !rating.editing) return rated(true)
  const w = words()
  const box = el('textarea', {
    id: 'comment',
    rows: 2,
    maxlength: 500,
    placeholder: w.comment,
    'aria-label': w.comment,
    oninput: () => (rating.comment = box.value),
  })
  box.value = rating.comment
  const choose = (score) => () => {
    rating.score = score
    rating.editing = true
    draw()
  }
  const stars = w.scores.map((name, i) =>
    el(
      'button',
      {
        type: 'button',
        id: `score-${i + 1}`,
        class: i < rating.score ? 'star on' : 'star',
        'aria-pressed': String(rating.score === i + 1),
        'aria-label': name,
        onclick: choose(i + 1),
      },
      '★',
    ),
  )
  const button = el('button', { type: 'submit', class: 'primary' }, w.send)
  button.disabled = rating.score === 0 || rating.sending
  return el(
    'section',
    { class: 'rate' },
    el('h2', {}, w.rate),
    el(
      'form',
      { onsubmit: (event) => void sendRating(event) },
      el('div', { class: 'stars', role: 'group' }, ...stars),
      el('p', { class: 'score', role: 'status' }, rating.score === 0 ? '' : w.scores[rating.score - 1]),
      rating.score > 0 && box,
      el('p', { class: 'failure', role: 'alert' }, rating.failure),
      rating.score > 0 && button,
    ),
  )
}

async function sendRating(event) {
  event.preventDefault()
  rating.sending = true
  rating.failure = ''
  draw()
  try {
    const comment = rating.comment.trim()
    ticket = await call('POST', `/tickets/${encodeURIComponent(number)}/satisfaction`, {
      score: rating.score,
      ...(comment !== '' && { comment }),
    })
    rating.editing = false
  } catch (error) {
    rating.failure = explain(error)
  }
  rating.sending = false
  draw()
}

/** @param {boolean} mayChange */
function rated(mayChange) {
  const w = words()
  const { score, comment } = ticket.satisfaction
  const change = () => {
    Object.assign(rating, { score, comment: comment ?? '', editing: true })
    draw()
  }
  const stars = w.scores.map((_name, i) =>
    el('span', { class: i < score ? 'star on' : 'star', 'aria-hidden': 'true' }, '★'),
  )
  return el(
    'section',
    { class: 'rate' },
    el('h2', {}, w.thanks),
    el('div', { class: 'stars' }, ...stars),
    el('p', { class: 'score' }, w.scores[score - 1]),
    comment !== null && el('p', { class: 'note' }, comment),
    mayChange &&
      el(
        'button',
        { type: 'button', class: 'plain', onclick: change },
        w.changeUntil(timeOf(ticket.rateUntil)),
      ),
  )
}
