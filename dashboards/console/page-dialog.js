import { el } from './element.js'
import { explain, words } from './words.js'

/**
 * A page over the board. `failure` is where what went wrong is said.
 *
 * @param {string} title
 * @param {...Node} parts
 */
export function pageDialog(title, ...parts) {
  const failure = el('p', { class: 'failure', role: 'alert' })
  const dialog = el(
    'dialog',
    { class: 'page', 'aria-label': title, onclose: () => dialog.remove() },
    el(
      'header',
      {},
      el('h2', {}, title),
      el('button', { type: 'button', class: 'plain', onclick: () => dialog.close() }, words().close),
    ),
    failure,
    ...parts,
  )
  document.body.append(dialog)
  dialog.showModal()
  /** Runs what a button does, once at a time, and says what went wrong. */
  const attempt = async (button, work) => {
    failure.textContent = ''
    button.disabled = true
    try {
      await work()
    } catch (error) {
      failure.textContent = explain(error)
    } finally {
      button.disabled = false
    }
  }
  return { dialog, attempt }
}

/** A table whose body is drawn again and again. */
export function table(...heads) {
  const body = el('tbody', {})
  const element = el(
    'div',
    { class: 'table' },
    el(
      'table',
      {},
      el('thead', {}, el('tr', {}, ...heads.map((text) => el('th', { scope: 'col' }, text)))),
      body,
    ),
  )
  return { element, body }
}

/** A secret or token, this once. */
export function shownOnce(text) {
  return el(
    'div',
    { class: 'once', role: 'status' },
    el('strong', {}, words().shownOnce),
    el('code', {}, text),
  )
}
