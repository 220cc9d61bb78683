/** What the gateway refused, as its problem document says (RFC 9457). */
export class Problem extends Error {
  /** @param {{code?: string, title?: string, detail?: string, status?: number, allowed?: string[]}} document */
  constructor(document) {
    super(document.detail ?? document.title ?? '')
    this.code = document.code ?? 'internal'
    this.status = document.status ?? 0
    this.title = document.title ?? ''
    this.allowed = document.allowed ?? []
    /** Who was quicker, when, and for which team, where the gateway knows. */
    this.doer = document.by === undefined ? null : { by: document.by, at: document.at, team: document.team }
  }
}

/** Difference between the gateway's clock and this screen's, ms: countdowns run by the gateway's. */
let ahead = 0
export const gatewayNow = () => Date.now() + ahead

/**
 * @param {'GET' | 'POST' | 'DELETE'} method
 * @param {string} path below `/api/v1`
 * @param {unknown} [body] sent as JSON; a form as it is
 */
export async function call(method, path, body) {
  const response = await fetch(`/api/v1${path}`, {
    method,
    ...(body === undefined
      ? {}
      : body instanceof FormData
        ? { body }
        : { body: JSON.stringify(body), headers: { 'content-type': 'application/json' } }),
  })
  noteClock(response.headers.get('date'))
  const text = await response.text()
  const document = text === '' ? null : JSON.parse(text)
  // Readiness answers 503 with the same document: red parts are news, not a failure of this request.
  if (!response.ok && path !== '/readyz') throw new Problem(document ?? {})
  return document
}

/** All items of a list, at most `most` of them. */
export async function list(path, most) {
  const items = []
  let cursor
  do {
    const join = path.includes('?') ? '&' : '?'
    const page = await call(
      'GET',
      `${path}${join}limit=${Math.min(most, 500)}${cursor === undefined ? '' : `&cursor=${encodeURIComponent(cursor)}`}`,
    )
    items.push(...page.items)
    cursor = page.cursor
  } while (cursor !== undefined && items.length < most)
  return items
}

/** The `Date` header has whole seconds, so a small difference says nothing. */
function noteClock(date) {
  if (date === null) return
  const difference = Date.parse(date) + 500 - Date.now()
  ahead = Math.abs(difference) > 2000 ? difference : 0
}
