import { call } from './api.js'
import { el } from './element.js'
import { explain, titleOf, words } from './words.js'

/**
 * Registers an HJ 212 sender. Everything is filled in with what it looks like; a person puts right what only a person
 * knows. The secret that comes back is not shown: a monitor proves itself by its MN, and a new secret can be made.
 *
 * @param {object} sender as `GET /hj212/unknown` lists it
 * @param {import('./live.js').Live} live
 * @param {() => void} done
 */
export function registerDialog(sender, live, done) {
  const w = words()
  const { mn, suggestion } = sender
  const name = suggestedId(sender, live.devices)
  const field = (key, value) => el('input', { id: `new-${key}`, required: true, maxlength: 64, value })
  const id = field('id', name)
  const site = field('site', name)
  const grid = field('grid', '')
  const street = el(
    'select',
    { id: 'new-street', required: true, onchange: () => (grid.value = `${street.value}-001`) },
    ...live.district.streets.map((known) =>
      el('option', { value: known.id }, titleOf(known.title, known.id)),
    ),
  )
  grid.value = `${street.value}-001`
  const kind = el(
    'select',
    { id: 'new-kind', required: true },
    ...[...live.kinds.values()].map((known) =>
      el(
        'option',
        { value: known.id, selected: known.id === suggestion.kind },
        titleOf(known.title, known.id),
      ),
    ),
  )
  const failure = el('p', { class: 'failure', role: 'alert' })
  const confirm = el('button', { class: 'primary', type: 'submit' }, w.register)
  const submit = async (event) => {
    event.preventDefault()
    failure.textContent = ''
    confirm.disabled = true
    const profile = suggestion.profile ?? 'standard'
    try {
      await call('POST', '/devices', {
        id: id.value.trim(),
        kind: kind.value,
        site: site.value.trim(),
        street: street.value,
        grid: grid.value.trim(),
        protocols: { hj212: { mn, profile, crc: suggestion.crc } },
      })
      dialog.close()
      done()
    } catch (error) {
      failure.textContent = error.message === '' ? explain(error) : error.message
    } finally {
      confirm.disabled = false
    }
  }
  const labelled = (label, input) => [el('label', { for: input.id }, label), input]
  const dialog = el(
    'dialog',
    { 'aria-labelledby': 'register-title', onclose: () => dialog.remove() },
    el(
      'form',
      { onsubmit: (event) => void submit(event) },
      el('h2', { id: 'register-title' }, w.register),
      el('p', { class: 'quiet' }, `MN ${mn} · ${suggestion.profile ?? 'standard'} · ${suggestion.crc}`),
      ...labelled(w.device, id),
      ...labelled(w.kind, kind),
      ...labelled(w.site, site),
      ...labelled(w.street, street),
      ...labelled(w.grid, grid),
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

/** What the kind is called and how the MN ends, as ids may be (contract §2), and of no device yet. */
function suggestedId({ mn, suggestion }, devices) {
  const tail = mn.replaceAll(/[^A-Za-z0-9]+/g, '').slice(-8)
  const stem = `${(suggestion.kind ?? 'hj212').replaceAll('_', '-')}-${tail}`
  let id = stem
  for (let number = 2; devices.has(id); number++) id = `${stem}-${number}`
  return id
}
