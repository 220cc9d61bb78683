/**
 * Builds an element. Text goes in as text nodes only: nothing that a device, a citizen or a colleague wrote
 * is ever read as HTML. Functions are listeners of `on…`, all else is an attribute; `null`,
 * `undefined` and `false` leave an attribute or a child out.
 *
 * @param {string} tag
 * @param {Record<string, string | number | boolean | null | undefined | ((event: any) => void)>} [properties]
 * @param {...(Node | string | number | null | undefined | false)} children
 * @returns {HTMLElement}
 */
export function el(tag, properties = {}, ...children) {
  const element = document.createElement(tag)
  for (const [name, value] of Object.entries(properties)) {
    if (value === null || value === undefined || value === false) continue
    if (typeof value === 'function') element.addEventListener(name.slice(2), value)
    else element.setAttribute(name, value === true ? '' : String(value))
  }
  element.append(...children.filter((child) => child != null && child !== false).map(asNode))
  return element
}

function asNode(child) {
  return child instanceof Node ? child : document.createTextNode(String(child))
}

/**
 * Makes the children of `parent` those of `items`, in order, and touches only what differs: rows keep their
 * focus, their open details and their place under a reader's eye.
 *
 * @template T
 * @param {Element} parent
 * @param {readonly T[]} items
 * @param {(item: T) => string} keyOf
 * @param {(item: T) => string} versionOf changes when the row must be drawn afresh
 * @param {(item: T) => HTMLElement} draw
 */
export function reconcile(parent, items, keyOf, versionOf, draw) {
  const present = new Map([...parent.children].map((child) => [child.dataset.key, child]))
  let place = parent.firstElementChild
  for (const item of items) {
    const key = keyOf(item)
    const version = versionOf(item)
    let row = present.get(key)
    present.delete(key)
    if (row === undefined || row.dataset.version !== version) {
      const fresh = draw(item)
      fresh.dataset.key = key
      fresh.dataset.version = version
      if (row !== undefined) {
        if (place === row) place = row.nextElementSibling
        keepPlace(row, fresh)
        row.remove()
      }
      row = fresh
    }
    if (row === place) place = row.nextElementSibling
    else parent.insertBefore(row, place)
  }
  for (const row of present.values()) row.remove()
}

/** A row that is drawn afresh keeps what the reader had opened. */
function keepPlace(row, fresh) {
  const open = row.querySelector('details[open]')
  if (open !== null) fresh.querySelector('details')?.setAttribute('open', '')
}
