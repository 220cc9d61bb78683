import { call, gatewayNow } from './api.js'
import { el } from './element.js'
import { registerDialog } from './register-dialog.js'
import { age } from './time.js'
import { titleOf, words } from './words.js'

/** The list has no events; it is asked for this often, ms. */
const ASK_EVERY = 10_000
/** Senders drawn at most; the others follow when these are registered. */
const ROWS = 100

/**
 * HJ 212 senders that nobody has registered: a button that is there when there are some, and behind it a list from
 * which each becomes a device with what the gateway suggests. For admins, who alone register devices.
 */
export class UnknownSenders {
  #live
  #senders = []
  #askedAt = 0
  element = el('button', {
    type: 'button',
    class: 'plain unknown-senders',
    hidden: true,
    onclick: () => this.#open(),
  })

  /** @param {import('./live.js').Live} live */
  constructor(live) {
    this.#live = live
  }

  tick() {
    if (Date.now() - this.#askedAt < ASK_EVERY) return
    this.#askedAt = Date.now()
    void this.#ask()
  }

  async #ask() {
    try {
      const { items } = await call('GET', '/hj212/unknown')
      this.#senders = items.filter(({ trouble }) => trouble === 'unknown_mn')
    } catch {
      // That the gateway does not answer is said at the top of the page.
      return
    }
    this.element.hidden = this.#senders.length === 0
    this.element.textContent = words().unknownSenders(this.#senders.length)
  }

  #open() {
    const w = words()
    const dialog = el(
      'dialog',
      { class: 'wide', 'aria-labelledby': 'unknown-title', onclose: () => dialog.remove() },
      el('h2', { id: 'unknown-title' }, w.unknownSenders(this.#senders.length)),
      el('p', { class: 'quiet' }, w.unknownHint),
      el(
        'table',
        {},
        el(
          'tbody',
          {},
          ...this.#senders.slice(0, ROWS).map((sender) => this.#row(sender, () => dialog.close())),
        ),
      ),
      el(
        'div',
        { class: 'buttons' },
        el('button', { type: 'button', class: 'plain', onclick: () => dialog.close() }, w.cancel),
      ),
    )
    document.body.append(dialog)
    dialog.showModal()
  }

  #row(sender, close) {
    const w = words()
    const { mn, address, lastSeen, frames, factors, suggestion } = sender
    const kind = this.#live.kinds.get(suggestion.kind)
    const register = () => {
      close()
      registerDialog(sender, this.#live, () => {
        this.#askedAt = 0
        this.tick()
      })
    }
    return el(
      'tr',
      {},
      el(
        'th',
        { scope: 'row' },
        el('span', { title: factors.join(' ') }, mn),
        el('small', {}, suggestion.kind === null ? w.noKind : titleOf(kind?.title, suggestion.kind)),
      ),
      el('td', {}, address, el('small', {}, `${w.frames(frames)} · ${age(gatewayNow() - lastSeen)}`)),
      el('td', {}, el('button', { type: 'button', class: 'primary', onclick: register }, w.register)),
    )
  }
}
