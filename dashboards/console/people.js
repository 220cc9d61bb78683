import { tokensOf } from './account.js'
import { call, list } from './api.js'
import { el } from './element.js'
import { pageDialog, shownOnce, table } from './page-dialog.js'
import { dayTime, longDay } from './time.js'
import { titleOf, wordFor, words } from './words.js'

const ROLES = ['admin', 'district', 'street', 'team', 'viewer']
const DAY = 86_400_000

/**
 * Who may sign in: for admins.
 * @param {{streets: object[], teams: object[]}} district
 */
export function peoplePage(district) {
  const w = words()
  const users = table(w.name, w.roleName, w.expires, '')
  const made = el('div')
  const more = el('div')
  const { attempt } = pageDialog(w.people, made, users.element, more, addForm())

  const load = async () => {
    users.body.replaceChildren(...(await list('/users', 1000)).map(row))
  }
  const path = (user) => `/users/${encodeURIComponent(user.name)}`
  const button = (text, work) => {
    const pressed = el('button', { type: 'button', class: 'plain' }, text)
    pressed.addEventListener(
      'click',
      () =>
        void attempt(pressed, async () => {
          await work()
          await load()
        }),
    )
    return pressed
  }
  function row(user) {
    const place = [...district.streets, ...district.teams].find(({ id }) => id === (user.street ?? user.team))
    return el(
      'tr',
      {},
      el('th', { scope: 'row' }, user.name),
      el(
        'td',
        {},
        wordFor('role', user.role),
        (user.street ?? user.team) !== null &&
          el('small', {}, titleOf(place?.title, user.street ?? user.team)),
      ),
      el(
        'td',
        {},
        user.expires === null ? w.never : longDay(user.expires),
        user.lockedUntil !== null && el('small', {}, w.lockedUntil(dayTime(user.lockedUntil))),
      ),
      el(
        'td',
        { class: 'buttons' },
        user.lockedUntil !== null && button(w.unlock, () => call('DELETE', `${path(user)}/lock`)),
        button(w.tokens, async () => more.replaceChildren(tokensOf(user.name))),
        button(w.signOut, () => call('DELETE', `${path(user)}/sessions`)),
        button(w.newSecret, async () => {
          if (!confirm(w.sureSecret(user.name))) return
          const { secret } = await call('POST', `${path(user)}/secret`)
          made.replaceChildren(shownOnce(`${user.name}: ${secret}`))
        }),
        button(w.remove, async () => {
          if (confirm(w.sureRemove(user.name))) await call('DELETE', path(user))
        }),
      ),
    )
  }

  function addForm() {
    const name = el('input', { required: true, maxlength: 64, autocomplete: 'off', spellcheck: 'false' })
    const role = el('select', {}, ...ROLES.map((id) => el('option', { value: id }, wordFor('role', id))))
    const place = el('select', { hidden: true })
    const days = el('input', { type: 'number', min: 1, max: 3650, placeholder: w.never })
    const places = () => {
      const known = { street: district.streets, team: district.teams }[role.value]
      place.hidden = known === undefined
      place.replaceChildren(
        ...(known ?? []).map(({ id, title }) => el('option', { value: id }, titleOf(title, id))),
      )
    }
    role.addEventListener('change', places)
    const submit = el('button', { class: 'primary', type: 'submit' }, w.addUser)
    const add = async () => {
      const body = {
        name: name.value.trim(),
        role: role.value,
        ...(place.hidden ? {} : { [role.value]: place.value }),
        ...(days.value === '' ? {} : { expires: Date.now() + Number(days.value) * DAY }),
      }
      const { secret } = await call('POST', '/users', body)
      made.replaceChildren(shownOnce(`${body.name}: ${secret}`))
      name.value = ''
      await load()
    }
    return el(
      'section',
      {},
      el('h3', {}, w.addUser),
      el(
        'form',
        {
          class: 'row',
          onsubmit: (event) => {
            event.preventDefault()
            void attempt(submit, add)
          },
        },
        el('label', {}, w.name, name),
        el('label', {}, w.roleName, role),
        place,
        el('label', {}, w.daysOrNever, days),
        submit,
      ),
    )
  }
  void attempt(el('button'), load)
}
