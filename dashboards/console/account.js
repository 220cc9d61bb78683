import { call } from './api.js'
import { el } from './element.js'
import { pageDialog, shownOnce, table } from './page-dialog.js'
import { dayTime, longDay } from './time.js'
import { words } from './words.js'

const DAY = 86_400_000

/**
 * Where I am signed in, my tokens, my secret.
 * @param {{name: string}} user
 * @param {() => void} signedOut
 */
export function accountPage(user, signedOut) {
  const w = words()
  const sessions = table(w.signedInAt, w.lastUsed, w.address, '')
  const everywhere = el('button', { type: 'button', class: 'plain' }, w.signOutEverywhere)
  // The admin token is nobody's: it has no tokens and is changed in the configuration.
  const isPerson = user.name !== 'admin'
  const { dialog, attempt } = pageDialog(
    `${w.account} · ${user.name}`,
    el('section', {}, el('h3', {}, w.sessions), sessions.element, everywhere),
    ...(isPerson ? [tokensOf(user.name), secretForm()] : []),
  )
  everywhere.addEventListener(
    'click',
    () =>
      void attempt(everywhere, async () => {
        await call('DELETE', '/sessions')
        dialog.close()
        signedOut()
      }),
  )
  const load = async () => {
    const { items } = await call('GET', '/sessions')
    sessions.body.replaceChildren(
      ...items.map((session) => {
        const end = el('button', { type: 'button', class: 'plain' }, w.signOut)
        end.addEventListener(
          'click',
          () =>
            void attempt(end, async () => {
              await call('DELETE', `/sessions/${encodeURIComponent(session.id)}`)
              await load()
            }),
        )
        return el(
          'tr',
          {},
          el('th', { scope: 'row' }, dayTime(session.startedAt)),
          el('td', {}, dayTime(session.usedAt)),
          el('td', {}, [session.address, session.token].filter(Boolean).join(' · ')),
          el('td', { class: 'buttons' }, session.current ? w.thisOne : end),
        )
      }),
    )
  }
  void attempt(everywhere, load)
}

/** The tokens of a user, as a part of a page: also for admins, of others. */
export function tokensOf(name) {
  const w = words()
  const path = `/users/${encodeURIComponent(name)}/tokens`
  const list = table(w.tokenTitle, w.expires, w.lastUsed, '')
  const made = el('div')
  const failure = el('p', { class: 'failure', role: 'alert' })
  const title = el('input', { required: true, maxlength: 100 })
  const days = el('input', { type: 'number', min: 1, max: 400, value: 90, required: true })
  const readOnly = el('input', { type: 'checkbox' })
  const guarded = async (work) => {
    failure.textContent = ''
    try {
      await work()
      await load()
    } catch (error) {
      failure.textContent = error.message || w.failed
    }
  }
  const make = (event) => {
    event.preventDefault()
    void guarded(async () => {
      const expires = Date.now() + Number(days.value) * DAY
      const body = { title: title.value.trim(), expires, readOnly: readOnly.checked }
      const { token } = await call('POST', path, body)
      made.replaceChildren(shownOnce(token))
      title.value = ''
    })
  }
  const load = async () => {
    const { items } = await call('GET', path)
    list.element.hidden = items.length === 0
    list.body.replaceChildren(
      ...items.map((token) =>
        el(
          'tr',
          {},
          el('th', { scope: 'row' }, token.title, token.readOnly && el('small', {}, w.readOnly)),
          el('td', {}, longDay(token.expires)),
          el('td', {}, token.lastUsed ?? w.never),
          el(
            'td',
            { class: 'buttons' },
            el(
              'button',
              {
                type: 'button',
                class: 'plain',
                onclick: () => void guarded(() => call('DELETE', `${path}/${encodeURIComponent(token.id)}`)),
              },
              w.revoke,
            ),
          ),
        ),
      ),
    )
  }
  void guarded(async () => undefined)
  return el(
    'section',
    { class: 'tokens' },
    el('h3', {}, w.tokens),
    list.element,
    made,
    el(
      'form',
      { class: 'row', onsubmit: make },
      el('label', {}, w.tokenTitle, title),
      el('label', {}, w.days, days),
      el('label', { class: 'check' }, readOnly, w.readOnly),
      el('button', { class: 'plain', type: 'submit' }, w.makeToken),
    ),
    failure,
  )
}

function secretForm() {
  const w = words()
  const present = el('input', {
    type: 'password',
    autocomplete: 'current-password',
    required: true,
    maxlength: 256,
  })
  const next = el('input', {
    type: 'password',
    autocomplete: 'new-password',
    required: true,
    minlength: 8,
    maxlength: 256,
  })
  const told = el('p', { class: 'hint', role: 'status' })
  const submit = async (event) => {
    event.preventDefault()
    told.textContent = ''
    try {
      await call('POST', '/session/secret', { secret: present.value, newSecret: next.value })
      present.value = next.value = ''
      told.textContent = w.secretChanged
    } catch (error) {
      told.textContent = error.message || w.failed
    }
  }
  return el(
    'section',
    {},
    el('h3', {}, w.changeSecret),
    el(
      'form',
      { class: 'row', onsubmit: (event) => void submit(event) },
      el('label', {}, w.presentSecret, present),
      el('label', {}, w.newSecret, next),
      el('button', { class: 'plain', type: 'submit' }, w.changeSecret),
    ),
    told,
  )
}
