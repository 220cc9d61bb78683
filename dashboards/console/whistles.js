import { call } from './api.js'
import { el } from './element.js'
import { photoField } from './photos.js'
import { explainAction, positionField } from './action-dialog.js'
import { clockTime } from './time.js'
import { titleOf, words } from './words.js'

const SUPERVISORS = ['admin', 'district', 'street']
const PATHS = { report_in: 'report-in', done: 'done', withdraw: 'withdraw' }
const OVER = ['verified', 'closed', 'void']

/** Whether the user may call departments (吹哨) to the case. */
export function mayWhistle(user, item) {
  return SUPERVISORS.includes(user.role) && !OVER.includes(item.state)
}

/**
 * Departments that were called to a case, how far each is, and what the user may do about it.
 *
 * @param {object} item the case
 * @param {{role: string, team: string | null}} user
 * @param {object[]} teams
 * @param {(item: object) => void} done
 */
export function drawWhistles(item, user, teams, done) {
  const w = words()
  return el(
    'ul',
    { class: 'whistles' },
    ...(item.whistles ?? []).map((whistle) => {
      const team = teams.find(({ id }) => id === whistle.department)
      const mine = user.role === 'team' && user.team === whistle.department
      const may = whistle.allowed.filter((action) =>
        action === 'withdraw' ? SUPERVISORS.includes(user.role) : mine,
      )
      const due = whistle.reportedAt === null ? whistle.reportBy : whistle.resolveBy
      return el(
        'li',
        { 'data-colour': whistle.deadlineColour },
        el('b', {}, titleOf(team?.title, whistle.department)),
        el('span', { class: 'tag' }, w.whistleState[whistle.state] ?? whistle.state),
        whistle.endedAt === null && el('time', { class: 'quiet' }, w.by(clockTime(due))),
        ...may.map((action) =>
          el(
            'button',
            {
              type: 'button',
              class: action === 'withdraw' ? 'plain' : 'primary',
              'data-whistle': action,
              onclick: () => answerDialog(item, whistle.department, action, done),
            },
            w.whistleAction[action],
          ),
        ),
      )
    }),
  )
}

/** Calls departments to a case. */
export function whistleDialog(item, teams, district, done) {
  const w = words()
  const named = district.categories?.[item.category]?.departments
  const departments = teams.filter(
    ({ id, level }) => level === 'department' && (named === undefined || named.includes(id)),
  )
  const called = new Set(
    (item.whistles ?? []).filter(({ endedAt }) => endedAt === null).map((one) => one.department),
  )
  const boxes = departments.map(({ id, title }) => {
    const box = el('input', { type: 'checkbox', value: id, disabled: called.has(id), checked: false })
    return { box, label: el('label', { class: 'check' }, box, titleOf(title, id)) }
  })
  const note = el('textarea', { id: 'note', rows: 2, maxlength: 2000, required: true })
  send(
    w.whistle,
    [
      el('fieldset', {}, el('legend', {}, w.departments), ...boxes.map(({ label }) => label)),
      el('label', { for: 'note' }, w.note),
      note,
    ],
    async () => {
      const chosen = boxes.filter(({ box }) => box.checked).map(({ box }) => box.value)
      if (chosen.length === 0) throw new Error(w.chooseOne)
      const body = { departments: chosen, note: note.value.trim() }
      done(await call('POST', `/cases/${encodeURIComponent(item.id)}/whistles`, body))
    },
    teams,
  )
}

function answerDialog(item, department, action, done) {
  const w = words()
  const isNeeded = action !== 'report_in'
  const note = el('textarea', { id: 'note', rows: 2, maxlength: 2000, required: isNeeded })
  const place = action === 'report_in' ? positionField(item) : null
  const photos = action === 'withdraw' ? null : photoField(item)
  send(
    w.whistleAction[action],
    [
      ...(place?.elements ?? []),
      el('label', { for: 'note' }, isNeeded ? w.note : `${w.note} (${w.optional})`),
      note,
      ...(photos === null ? [] : [photos.element]),
    ],
    async () => {
      if (photos?.busy()) throw new Error(w.photosFirst)
      const text = note.value.trim()
      const path = `/cases/${encodeURIComponent(item.id)}/whistles/${encodeURIComponent(department)}/${PATHS[action]}`
      const body = { ...place?.read(), ...(text === '' ? {} : { note: text }), ...photos?.read() }
      done(await call('POST', path, body))
    },
    [],
  )
}

/** A form over the board; it closes when what it does has worked. */
function send(title, elements, work, teams) {
  const w = words()
  const failure = el('p', { class: 'failure', role: 'alert' })
  const confirm = el('button', { class: 'primary', type: 'submit' }, title)
  const submit = async (event) => {
    event.preventDefault()
    failure.textContent = ''
    confirm.disabled = true
    try {
      await work()
      dialog.close()
    } catch (error) {
      failure.textContent = explainAction(error, teams)
    } finally {
      confirm.disabled = false
    }
  }
  const dialog = el(
    'dialog',
    { 'aria-label': title, onclose: () => dialog.remove() },
    el(
      'form',
      { onsubmit: (event) => void submit(event) },
      el('h2', {}, title),
      ...elements,
      failure,
      el(
        'div',
        { class: 'buttons' },
        el('button', { type: 'button', class: 'plain', onclick: () => dialog.close() }, w.cancel),
        confirm,
      ),
    ),
  )
  document.body.append(dialog)
  dialog.showModal()
}
