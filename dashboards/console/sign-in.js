import { call } from './api.js'
import { el } from './element.js'
import { explain, words } from './words.js'

/**
 * The page before the page.
 * @param {(user: object) => void} signedIn
 * @param {() => void} otherLanguage
 */
export function signInPage(signedIn, otherLanguage) {
  const w = words()
  const name = el('input', {
    id: 'name',
    name: 'username',
    autocomplete: 'username',
    maxlength: 64,
    'aria-describedby': 'name-hint',
    autocapitalize: 'none',
    spellcheck: 'false',
  })
  const secret = el('input', {
    id: 'secret',
    name: 'password',
    type: 'password',
    autocomplete: 'current-password',
    maxlength: 1024,
    required: true,
    'aria-describedby': 'secret-hint',
  })
  const failure = el('p', { class: 'failure', role: 'alert' })
  const button = el('button', { class: 'primary', type: 'submit' }, w.signIn)
  const submit = async (event) => {
    event.preventDefault()
    button.disabled = true
    failure.textContent = ''
    try {
      signedIn(await signIn(name.value.trim(), secret.value))
    } catch (error) {
      failure.textContent = explain(error)
      secret.select()
    } finally {
      button.disabled = false
    }
  }
  return el(
    'main',
    { class: 'sign-in' },
    el(
      'form',
      { class: 'panel', onsubmit: (event) => void submit(event) },
      el('img', { src: 'icon.svg', alt: '', width: 56, height: 56 }),
      el('h1', {}, w.product),
      el('p', { class: 'quiet' }, w.tagline),
      el('label', { for: 'name' }, w.name),
      name,
      el('p', { class: 'hint', id: 'name-hint' }, w.nameHint),
      el('label', { for: 'secret' }, w.secret),
      secret,
      el('p', { class: 'hint', id: 'secret-hint' }, w.secretHint),
      failure,
      button,
      el('button', { class: 'link', type: 'button', onclick: otherLanguage }, w.otherLanguage),
    ),
  )
}

/** Without a name the secret is a token. */
export function signIn(name, secret) {
  return call('POST', '/session', name === '' ? { token: secret } : { name, secret })
}
