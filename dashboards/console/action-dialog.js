import { call, gatewayNow, Problem } from './api.js'
import { runningClock } from './clocks.js'
import { el } from './element.js'
import { photoField } from './photos.js'
import { clockTime } from './time.js'
import { explain, titleOf, wordFor, words } from './words.js'

/** Actions that are done at the place, where there is something to see. */
const ON_THE_SPOT = ['arrive', 'handle', 'verify', 'return', 'close']

/** Actions after which those who reported it hear from somebody. */
const TOLD = ['accept', 'arrive', 'handle', 'close', 'void', 'suspend']

const CODES = ['confirmed', 'false_alarm', 'not_found', 'device_fault', 'duplicate']

/**
 * Asks what the action needs and sends it. One id for all tries: pressing twice, or trying again after a
 * broken connection, counts once.
 *
 * @param {object} item the case
 * @param {string} title of the case, for the reader
 * @param {string} action
 * @param {object[]} teams
 * @param {(item: object) => void} done with the case as it then is
 */
export function actionDialog(item, title, action, teams, done) {
  const w = words()
  const actionId = randomId()
  const failure = el('p', { class: 'failure', role: 'alert' })
  const fields = fieldsOf(item, action, teams, failure)
  const photos = ON_THE_SPOT.includes(action) ? photoField(item) : null
  const told =
    item.reports > 0 && TOLD.includes(action)
      ? el('textarea', { id: 'public-note', rows: 2, maxlength: 500 })
      : null
  const publicNote = () => {
    const text = told?.value.trim() ?? ''
    return text === '' ? {} : { publicNote: text }
  }
  const confirm = el('button', { class: 'primary', type: 'submit' }, wordFor('action', action))
  const submit = async (event) => {
    event.preventDefault()
    failure.textContent = photos?.busy() ? w.photosFirst : ''
    if (photos?.busy()) return
    confirm.disabled = true
    try {
      const expectedVersion = await versionNow(item, action)
      const body = { action, actionId, expectedVersion, ...fields.read(), ...photos?.read(), ...publicNote() }
      done(await call('POST', `/cases/${encodeURIComponent(item.id)}/actions`, body))
      dialog.close()
    } catch (error) {
      failure.textContent = explainAction(error, teams)
    } finally {
      confirm.disabled = false
    }
  }
  const dialog = el(
    'dialog',
    { 'aria-labelledby': 'action-title', onclose: () => dialog.remove() },
    el(
      'form',
      { onsubmit: (event) => void submit(event) },
      el('h2', { id: 'action-title' }, wordFor('action', action)),
      el('p', { class: 'quiet' }, title),
      ...fields.elements,
      ...(told === null ? [] : [el('label', { for: 'public-note' }, w.publicNote), told]),
      photos?.element ?? null,
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

/**
 * While a form is filled in, one's own photos, another alarm or a deadline move the case on, and none of them changes
 * what is about to be done; what a person did to it must still be seen first.
 */
async function versionNow(item, action) {
  const now = await call('GET', `/cases/${encodeURIComponent(item.id)}`)
  const isSame =
    now.state === item.state && now.crew === item.crew && (action !== 'assign' || now.team === item.team)
  return isSame ? now.version : item.version
}

/** What went wrong, for a person: who was quicker, where somebody was. */
export function explainAction(error, teams) {
  const w = words()
  if (!(error instanceof Problem)) return error instanceof Error ? error.message : w.failed
  if (error.doer !== null && error.doer.by !== 'gateway') {
    const team = teams.find(({ id }) => id === error.doer.team)
    const who = [titleOf(team?.title, error.doer.team), error.doer.by].filter(Boolean).join(' · ')
    return w.quicker(who, clockTime(error.doer.at))
  }
  return error.status === 409 ? `${explain(error)} · ${w.changed}` : explain(error)
}

/** The inputs of an action, and what they say once they are filled in; throws an Error for a person to read. */
function fieldsOf(item, action, teams, failure) {
  const w = words()
  const note = el('textarea', { id: 'note', rows: 2, maxlength: 2000, required: action === 'return' })
  const noteField = [
    el('label', { for: 'note' }, action === 'return' ? w.note : `${w.note} (${w.optional})`),
    note,
  ]
  const readNote = () => (note.value.trim() === '' ? {} : { note: note.value.trim() })

  if (action === 'arrive') {
    const place = positionField(item, failure)
    return {
      elements: [...place.elements, ...noteField],
      read: () => ({ ...place.read(), ...readNote() }),
    }
  }
  if (action === 'close') {
    const code = el(
      'select',
      { id: 'code', required: true },
      ...CODES.map((name) => el('option', { value: name }, wordFor('code', name))),
    )
    return {
      elements: [el('label', { for: 'code' }, w.closeCode), code, ...noteField],
      read: () => ({ code: code.value, ...readNote() }),
    }
  }
  if (action === 'extend') {
    const minutes = el('input', {
      id: 'minutes',
      type: 'number',
      min: 1,
      max: 10_080,
      value: 30,
      required: true,
    })
    return {
      elements: [el('label', { for: 'minutes' }, w.until), minutes, ...noteField],
      read: () => {
        const from = Math.max(runningClock(item)?.by ?? 0, Math.round(gatewayNow()))
        return { until: from + Number(minutes.value) * 60_000, ...readNote() }
      },
    }
  }
  if (action === 'assign') {
    const own = teams.filter(
      (team) =>
        team.level !== 'department' && (team.streets === undefined || team.streets.includes(item.street)),
    )
    const team = el(
      'select',
      { id: 'team' },
      ...own.map((known) =>
        el('option', { value: known.id, selected: known.id === item.team }, titleOf(known.title, known.id)),
      ),
    )
    return {
      elements: [el('label', { for: 'team' }, w.team), team, ...noteField],
      read: () => ({ ...(team.value === '' ? {} : { team: team.value }), ...readNote() }),
    }
  }
  return { elements: noteField, read: readNote }
}

/** Where the actor is; the site's own position until it is said. */
export function positionField(item, failure = null) {
  const w = words()
  const place = el('input', {
    id: 'position',
    required: true,
    maxlength: 64,
    value: item.position === null ? '' : `${item.position[0]}, ${item.position[1]}`,
  })
  const locate = () =>
    navigator.geolocation.getCurrentPosition(
      ({ coords }) => (place.value = `${coords.longitude.toFixed(6)}, ${coords.latitude.toFixed(6)}`),
      () => failure !== null && (failure.textContent = w.noPosition),
      { timeout: 10_000, enableHighAccuracy: true },
    )
  // Browsers give positions to pages on https and on this machine only.
  const here =
    isSecureContext && 'geolocation' in navigator
      ? [el('button', { type: 'button', class: 'plain', onclick: locate }, w.here)]
      : []
  return {
    elements: [el('label', { for: 'position' }, w.position), place, ...here],
    read: () => ({ position: readPosition(place.value) }),
  }
}

function readPosition(text) {
  const parts = text.split(/[,，\s]+/).filter((part) => part !== '')
  const position = parts.map(Number)
  const [longitude, latitude] = position
  if (parts.length !== 2 || !(Math.abs(longitude) <= 180) || !(Math.abs(latitude) <= 90))
    throw new Error(words().badPosition)
  return position
}

/** `crypto.randomUUID` is there on secure pages only; a console on a district's own network may be plain HTTP. */
function randomId() {
  return [...crypto.getRandomValues(new Uint8Array(16))]
    .map((byte) => byte.toString(16).padStart(2, '0'))
    .join('')
}
