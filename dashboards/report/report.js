import { call } from './api.js'
import { el } from './element.js'
import { header } from './header.js'
import { newClient, Outbox } from './outbox.js'
import { shrunk, thumbnail } from './photo.js'
import { myTickets } from './store.js'
import { explain, locale, titleOf, words } from './words.js'

const code = decodeURIComponent(location.pathname.split('/')[2] ?? '')

/** @type {any} what the place takes; null until it is known */
let place = null
/** Why it is not. @type {any} */
let trouble = null
/** What is on its way, as the outbox told last. @type {any} */
let status = null

const pendingBar = el('p', { class: 'pending', role: 'status', hidden: true })
const draft = freshDraft()
function freshDraft() {
  return {
    category: null,
    text: '',
    phone: '',
    photos: [],
    position: null,
    locating: false,
    failure: '',
    note: '',
  }
}

const outbox = new Outbox((state) => {
  const other = state.item.client !== status?.item.client
  // What an earlier visit left goes on by itself, and is no reason to take the form away.
  if (status === null && other) showPending(state)
  else if (other && status !== null) return
  else {
    if (state.done && state.problem !== null && state.item.ticket === null) return backToForm(state)
    status = state
    draw()
  }
})

document.documentElement.lang = locale()
draw()
await open()
await outbox.resume()

async function open() {
  trouble = null
  draw()
  try {
    place = await call('GET', `/places/${encodeURIComponent(code)}`)
  } catch (error) {
    trouble = error
  }
  draw()
}

function draw() {
  const w = words()
  document.title = place === null ? w.title : `${w.title} · ${titleOf(place.place.title)}`
  const where =
    place === null
      ? ''
      : [titleOf(place.place.title), titleOf(place.street?.title)].filter(Boolean).join(' · ')
  const main = status !== null ? sent() : place !== null ? form() : trouble === null ? opening() : closed()
  const scrolled = scrollY
  document.body.replaceChildren(header(w.title, where, draw), pendingBar, main)
  scrollTo(0, status === null ? scrolled : 0)
}

/** A report of an earlier visit: in a bar above the form, at its end with the number that it was given. */
function showPending({ item, waiting, problem, done }) {
  const w = words()
  pendingBar.hidden = false
  pendingBar.className = done && item.ticket !== null ? 'pending done' : 'pending'
  const text = !done
    ? waiting
      ? w.waiting
      : w.pending
    : item.ticket === null
      ? explain(problem)
      : w.sentBefore
  pendingBar.replaceChildren(text)
  if (item.ticket !== null)
    pendingBar.append(' ', el('a', { href: `/t/${encodeURIComponent(item.ticket)}` }, item.ticket))
}

function opening() {
  return el('main', { class: 'middle' }, el('p', { class: 'quiet' }, words().loading))
}

function closed() {
  const w = words()
  const isUnknown = trouble.code === 'not_found'
  return el(
    'main',
    { class: 'middle' },
    el('div', { class: 'mark bad' }, '!'),
    el('h2', {}, isUnknown ? w.noPlace : explain(trouble)),
    isUnknown && el('p', { class: 'quiet' }, w.noPlaceHint),
    el('button', { type: 'button', class: 'primary', onclick: () => void open() }, w.retry),
    mine(),
  )
}

function form() {
  const w = words()
  const failure = el('p', { class: 'failure', role: 'alert' }, draft.failure)
  const submit = (event) => {
    event.preventDefault()
    send(new FormData(event.target).get('website'))
  }
  return el(
    'main',
    {},
    el(
      'form',
      { onsubmit: submit, novalidate: true },
      el(
        'fieldset',
        {},
        el('legend', {}, w.what),
        el('div', { class: 'categories' }, ...place.categories.map(choice)),
      ),
      el(
        'section',
        {},
        el('h2', {}, w.photos, el('small', {}, w.photosHint(place.limits.photos))),
        photoRow(),
        photoNote(),
      ),
      el('section', {}, el('h2', {}, el('label', { for: 'text' }, w.text)), textBox()),
      el(
        'section',
        {},
        el('h2', {}, el('label', { for: 'phone' }, w.phone)),
        phoneBox(),
        el('p', { class: 'hint' }, w.phoneHint),
      ),
      el('section', {}, positionButton()),
      // For programs that fill in whatever they find.
      el(
        'div',
        { class: 'unseen', 'aria-hidden': 'true' },
        el('label', { for: 'website' }, w.website),
        el('input', { id: 'website', name: 'website', tabindex: -1, autocomplete: 'off' }),
      ),
      el(
        'div',
        { class: 'send' },
        failure,
        el('button', { class: 'primary', type: 'submit' }, w.submit),
        el('p', { class: 'hint' }, w.promise),
      ),
    ),
    mine(),
  )
}

function choice({ id, title }) {
  const input = el('input', { type: 'radio', name: 'category', value: id, required: true })
  input.checked = draft.category === id
  input.addEventListener('change', () => {
    draft.category = id
    draft.failure = ''
    document.querySelector('.failure').textContent = ''
  })
  return el(
    'label',
    { class: 'category' },
    input,
    // What a category is about, in one character: 油 for 餐饮油烟 would take a table, so it is its first.
    el('span', { class: 'badge', 'aria-hidden': 'true' }, Array.from(title.zh)[0] ?? ''),
    el('span', {}, titleOf(title)),
  )
}

function photoRow() {
  const w = words()
  const row = el('div', { class: 'photos' })
  for (const photo of draft.photos) {
    const remove = () => {
      draft.photos = draft.photos.filter((other) => other !== photo)
      draw()
    }
    row.append(
      el(
        'div',
        { class: 'photo' },
        photo.picture,
        el('button', { type: 'button', class: 'remove', 'aria-label': w.removePhoto, onclick: remove }, '×'),
      ),
    )
  }
  if (draft.photos.length < place.limits.photos) {
    const add = (event) => void addPhotos([...event.target.files])
    row.append(
      el(
        'label',
        { class: 'photo add' },
        el('span', { class: 'plus', 'aria-hidden': 'true' }, '+'),
        el('span', {}, w.addPhoto),
        el('input', { type: 'file', accept: 'image/*', multiple: true, class: 'unseen', onchange: add }),
      ),
    )
  }
  return row
}

function photoNote() {
  return draft.note === '' ? false : el('p', { class: 'failure', role: 'alert' }, draft.note)
}

async function addPhotos(files) {
  draft.note = ''
  for (const file of files.slice(0, place.limits.photos - draft.photos.length)) {
    const blob = await shrunk(file)
    if (blob === null) draft.note = words().noPhoto
    else draft.photos.push({ blob, picture: await thumbnail(blob) })
  }
  draw()
}

function textBox() {
  const box = el('textarea', {
    id: 'text',
    rows: 3,
    maxlength: place.limits.text,
    placeholder: words().textHint,
    oninput: () => (draft.text = box.value),
  })
  box.value = draft.text
  return box
}

function phoneBox() {
  const box = el('input', {
    id: 'phone',
    type: 'tel',
    inputmode: 'tel',
    autocomplete: 'tel',
    maxlength: 40,
    oninput: () => (draft.phone = box.value),
  })
  box.value = draft.phone
  return box
}

function positionButton() {
  const w = words()
  const text = draft.locating ? w.locating : draft.position === null ? w.position : w.positionOn
  const button = el(
    'button',
    { type: 'button', class: 'wide', 'aria-pressed': String(draft.position !== null) },
    text,
  )
  button.disabled = draft.locating
  button.addEventListener('click', () => {
    if (draft.position !== null) {
      draft.position = null
      return draw()
    }
    draft.locating = true
    draw()
    const end = (position) => {
      draft.locating = false
      draft.position = position
      draw()
      if (position === null) document.querySelector('.wide').textContent = words().positionFailed
    }
    const options = { enableHighAccuracy: true, timeout: 10_000, maximumAge: 60_000 }
    const found = ({ coords }) => end([coords.longitude, coords.latitude])
    if (navigator.geolocation === undefined) return end(null)
    navigator.geolocation.getCurrentPosition(found, () => end(null), options)
  })
  return button
}

function send(website) {
  if (draft.category === null) {
    draft.failure = words().chooseFirst
    document.querySelector('.failure').textContent = draft.failure
    document.querySelector('.categories').scrollIntoView({ block: 'center' })
    return
  }
  const chosen = place.categories.find(({ id }) => id === draft.category)
  const { text, phone, position } = draft
  const item = {
    client: newClient(),
    place: code,
    at: Date.now(),
    title: chosen.title,
    body: {
      category: draft.category,
      ...(text.trim() !== '' && { text }),
      ...(phone.trim() !== '' && { phone: phone.trim() }),
      ...(position !== null && { position }),
      ...(website && { website }),
    },
    photos: draft.photos.map(({ blob }) => blob),
    ticket: null,
    sent: 0,
    lost: 0,
  }
  status = { item, waiting: false, problem: null, done: false }
  draw()
  void outbox.add(item)
}

/** The gateway does not want it as it is: everything that was filled in is still there. */
function backToForm({ problem }) {
  status = null
  draft.failure = explain(problem)
  draw()
  document
    .querySelector(problem.where === 'phone' ? '#phone' : '.failure')
    ?.scrollIntoView({ block: 'center' })
}

function sent() {
  const w = words()
  const { item, waiting, problem, done } = status
  const photos = item.sent + item.lost + item.photos.length
  if (item.ticket === null) {
    return el(
      'main',
      { class: 'middle', role: 'status' },
      el('div', { class: waiting ? 'mark wait' : 'mark turning' }, waiting ? '…' : ''),
      el('h2', {}, !waiting ? w.sending : problem?.status === 429 ? w.busy : w.waiting),
      waiting && el('p', { class: 'quiet' }, w.waitingHint),
    )
  }
  const another = () => {
    Object.assign(draft, freshDraft())
    status = null
    draw()
  }
  return el(
    'main',
    { class: 'middle', role: 'status' },
    el('div', { class: 'mark good' }, '✓'),
    el('h2', {}, w.received),
    el('p', { class: 'quiet' }, w.number),
    el('p', { class: 'number' }, item.ticket),
    el('p', { class: 'quiet' }, w.keepNumber),
    photos > 0 && photoProgress(item, photos, waiting, done),
    el('a', { class: 'primary', href: `/t/${encodeURIComponent(item.ticket)}` }, w.follow),
    el('button', { type: 'button', class: 'plain', onclick: another }, w.another),
  )
}

function photoProgress(item, photos, waiting, done) {
  const w = words()
  const lines = [
    waiting && w.waiting,
    !done && w.photosLeft(item.sent, photos),
    done && item.sent > 0 && w.photosDone(item.sent),
    item.lost > 0 && w.photosLost(item.lost),
  ]
  return el('div', { class: 'uploads' }, ...lines.filter(Boolean).map((line) => el('p', {}, line)))
}

function mine() {
  const w = words()
  const tickets = myTickets()
  if (tickets.length === 0) return false
  return el(
    'nav',
    { class: 'mine' },
    el('h2', {}, w.mine),
    ...tickets
      .slice(0, 3)
      .map(({ ticket, title }) =>
        el(
          'a',
          { href: `/t/${encodeURIComponent(ticket)}` },
          el('span', {}, titleOf(title)),
          el('b', {}, ticket),
        ),
      ),
  )
}
