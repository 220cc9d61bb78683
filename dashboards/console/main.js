import { accountPage } from './account.js'
import { actionDialog } from './action-dialog.js'
import { AlarmsPanel } from './alarms.js'
import { call, gatewayNow } from './api.js'
import { auditPage } from './audit.js'
import { CasesPanel } from './cases.js'
import { DevicesPanel } from './devices.js'
import { el } from './element.js'
import { LedgerPanel } from './ledger.js'
import { Live } from './live.js'
import { peoplePage } from './people.js'
import { signIn, signInPage } from './sign-in.js'
import { clockTime, longDay } from './time.js'
import { UnknownSenders } from './unknown-senders.js'
import { locale, switchLanguage, titleOf, words } from './words.js'

/** @type {Live | null} */
let live = null
let ticking = 0

document.documentElement.lang = locale()
await begin()

async function begin() {
  // `/#token=…` is what the demo prints: the part after # never leaves the browser, and goes from its history.
  const token = /^#token=(.+)$/.exec(location.hash)?.[1]
  if (token !== undefined) history.replaceState(null, '', location.pathname)
  try {
    showLive(
      token === undefined ? await call('GET', '/session') : await signIn('', decodeURIComponent(token)),
    )
  } catch {
    showSignIn()
  }
}

function showSignIn() {
  end()
  const otherLanguage = () => {
    switchLanguage()
    showSignIn()
  }
  document.body.className = ''
  document.body.replaceChildren(signInPage(showLive, otherLanguage))
  document.querySelector('#name').focus()
}

function showLive(user) {
  end()
  const mayDo = new Set(user.actions)
  const state = new Live(
    (parts) => draw(parts),
    showSignIn,
    (item) => cases.announce(state.titleOf(item)),
  )
  const act = (item, action) =>
    actionDialog(item, state.titleOf(item), action, state.district.teams, (changed) =>
      state.takeCase(changed),
    )
  const cases = new CasesPanel(mayDo, act, user)
  const alarms = new AlarmsPanel()
  const unknown = user.role === 'admin' ? new UnknownSenders(state) : null
  const devices = new DevicesPanel(state, unknown?.element ?? false)
  const ledger = new LedgerPanel()
  const head = header(user)
  let linked = /^#\/cases\/(.+)$/.exec(location.hash)?.[1]

  const draw = (parts) => {
    head.draw(state)
    if (parts.has('cases') || parts.has('district')) cases.draw(state)
    if (parts.has('alarms') || parts.has('district')) alarms.draw(state)
    if (parts.has('devices') || parts.has('alarms') || parts.has('district')) devices.draw()
    if (parts.has('numbers')) ledger.draw(state)
    if (linked !== undefined && parts.has('cases')) {
      cases.show(decodeURIComponent(linked))
      linked = undefined
    }
  }
  live = state
  document.body.className = 'live'
  document.body.replaceChildren(
    head.element,
    ledger.element,
    el('main', { class: 'board' }, cases.element, alarms.element, devices.element),
  )
  ticking = setInterval(() => {
    head.tick()
    cases.tick(state)
    alarms.tick()
    devices.tick()
    unknown?.tick()
  }, 1000)
  head.tick()
  state.start()

  function header(who) {
    const w = words()
    const district = el('span', { class: 'district clip' })
    const connection = el('span', { class: 'connection connecting', role: 'status' }, w.connecting)
    const clock = el('time', { class: 'clock' })
    const day = el('span', { class: 'day' })
    const signOut = async () => {
      await call('DELETE', '/session').catch(() => undefined)
      showSignIn()
    }
    const otherLanguage = () => {
      switchLanguage()
      showLive(who)
    }
    return {
      element: el(
        'header',
        { class: 'top' },
        el('img', { src: 'icon.svg', alt: '', width: 36, height: 36 }),
        el('h1', {}, w.product),
        district,
        connection,
        el('div', { class: 'now' }, day, clock),
        ...(who.role === 'admin'
          ? [
              el(
                'button',
                { type: 'button', class: 'plain', onclick: () => peoplePage(state.district) },
                w.people,
              ),
              el('button', { type: 'button', class: 'plain', onclick: () => auditPage() }, w.audit),
            ]
          : []),
        el(
          'button',
          {
            type: 'button',
            class: 'who clip',
            title: w.account,
            onclick: () => accountPage(who, showSignIn),
          },
          who.name,
        ),
        el('button', { type: 'button', class: 'plain', onclick: otherLanguage }, w.otherLanguage),
        el('button', { type: 'button', class: 'plain', onclick: () => void signOut() }, w.signOut),
      ),
      draw(known) {
        district.textContent = titleOf(known.district.title, '')
        connection.className = `connection ${known.connection}`
        const text = { connecting: w.connecting, live: w.live, lost: w.lost }[known.connection]
        // Only when it changes, or screen readers would say it over and over.
        if (connection.textContent !== text) connection.textContent = text
      },
      tick() {
        const now = gatewayNow()
        clock.textContent = clockTime(now)
        day.textContent = longDay(now)
      },
    }
  }
}

function end() {
  clearInterval(ticking)
  live?.stop()
  live = null
}
