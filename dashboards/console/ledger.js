import { el } from './element.js'
import { locale, words } from './words.js'

const NUMBERS = ['received', 'accepted', 'duplicates', 'quarantined', 'stored', 'pending']

/** What came in and what became of it, and whether every part is well. */
export class LedgerPanel {
  #figures = new Map(NUMBERS.map((name) => [name, el('output', { class: 'figure' }, '–')]))
  #rate = el('span', { class: 'rate' })
  #parts = el('ul', { class: 'parts' })
  element = el('section', { class: 'ledger', 'aria-label': words().ledger })

  constructor() {
    const w = words()
    this.element.append(
      el(
        'dl',
        { class: 'figures' },
        ...NUMBERS.map((name) =>
          el(
            'div',
            { class: `tile ${name}` },
            el('dt', {}, w[name]),
            el('dd', {}, this.#figures.get(name), name === 'accepted' && this.#rate),
          ),
        ),
      ),
      el('div', { class: 'parts-box', role: 'group', 'aria-label': w.parts }, this.#parts),
    )
  }

  /** @param {import('./live.js').Live} live */
  draw({ ledger, rate, readiness }) {
    const number = new Intl.NumberFormat(locale())
    if (ledger !== null) {
      for (const [name, figure] of this.#figures) figure.textContent = number.format(ledger[name])
      this.#rate.textContent = `${number.format(Math.round(rate))} ${words().perSecond}`
      this.element.classList.toggle('refusing', ledger.quarantined > 0)
    }
    if (readiness !== null) {
      this.#parts.replaceChildren(
        ...Object.entries(readiness.parts).map(([name, part]) =>
          el(
            'li',
            { class: part.ready ? 'part ready' : 'part failing', title: part.detail },
            el('span', { class: 'dot' }),
            el('span', { class: 'clip' }, words().partNames[name] ?? name),
            el('span', { class: 'unseen' }, part.ready ? words().ready : words().notReady),
            !part.ready && el('span', { class: 'detail clip' }, part.detail),
          ),
        ),
      )
    }
  }
}
