import { el } from './element.js'
import { switchLanguage, words } from './words.js'

/**
 * The band at the top, with what the page is about and the other language.
 * @param {string} title
 * @param {string} where
 * @param {() => void} redraw
 */
export function header(title, where, redraw) {
  const other = () => {
    switchLanguage()
    redraw()
  }
  return el(
    'header',
    {},
    el('div', { class: 'names' }, el('h1', {}, title), where !== '' && el('p', { class: 'where' }, where)),
    el('button', { type: 'button', class: 'language', onclick: other }, words().otherLanguage),
  )
}
