import { call } from './api.js'
import { el } from './element.js'
import { pageDialog, table } from './page-dialog.js'
import { dayTime } from './time.js'
import { words } from './words.js'

/** Entries of one page. */
const PAGE = 100
const ACTIONS = ['', 'personal.read', 'case.', 'device.', 'user.', 'rule.', 'command.', 'audit.']

/** Who changed what and saw whose data: for admins. */
export function auditPage() {
  const w = words()
  const entries = table(w.when, w.actor, w.what, w.subject, w.address)
  const actor = el('input', { maxlength: 64, spellcheck: 'false' })
  const subject = el('input', { maxlength: 128, spellcheck: 'false' })
  const action = el(
    'select',
    {},
    ...ACTIONS.map((name) => el('option', { value: name }, name === '' ? w.all : name)),
  )
  const look = el('button', { class: 'primary', type: 'submit' }, w.look)
  const more = el('button', { class: 'plain', type: 'button', hidden: true }, w.older)
  const csv = el('a', { href: '/api/v1/audit?format=csv', download: 'audit.csv' }, 'CSV')
  let cursor

  const query = () => {
    const filters = { actor: actor.value.trim(), subject: subject.value.trim(), action: action.value }
    return new URLSearchParams(Object.entries(filters).filter(([, value]) => value !== ''))
  }
  const load = async (isMore) => {
    const asked = query()
    csv.href = `/api/v1/audit?${new URLSearchParams([...asked, ['format', 'csv']])}`
    asked.set('limit', String(PAGE))
    if (isMore) asked.set('cursor', cursor)
    const page = await call('GET', `/audit?${asked}`)
    const rows = page.items.map(row)
    if (isMore) entries.body.append(...rows)
    else entries.body.replaceChildren(...rows)
    cursor = page.cursor
    more.hidden = cursor === undefined
  }
  const form = el(
    'form',
    {
      class: 'row',
      onsubmit: (event) => {
        event.preventDefault()
        void attempt(look, () => load(false))
      },
    },
    el('label', {}, w.actor, actor),
    el('label', {}, w.what, action),
    el('label', {}, w.subject, subject),
    look,
    csv,
  )
  const { attempt } = pageDialog(w.audit, form, entries.element, more)
  more.addEventListener('click', () => void attempt(more, () => load(true)))
  void attempt(look, () => load(false))
}

function row({ at, actor, action, subject, detail, address }) {
  return el(
    'tr',
    {},
    el('th', { scope: 'row' }, dayTime(at)),
    el('td', {}, actor),
    el('td', {}, action, detail !== null && el('small', {}, detail)),
    el('td', {}, subject),
    el('td', {}, address ?? ''),
  )
}
