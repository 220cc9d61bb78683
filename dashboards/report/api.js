/** What the gateway refused, as its problem document says (RFC 9457); `code` is `network` when no answer came. */
export class Problem extends Error {
  constructor(code, status = 0, where = '') {
    super(code)
    this.code = code
    this.status = status
    /** Part of the report that is wrong: `phone`. */
    this.where = where
  }

  /** Later, or with a better network, the same may go well. */
  get mayPass() {
    return this.status === 0 || this.status === 408 || this.status === 429 || this.status >= 500
  }
}

/**
 * @param {'GET' | 'POST'} method
 * @param {string} path below `/api/v1/public`
 * @param {unknown} [body] a Blob goes as it is, all else as JSON
 * @param {number} [timeout] ms
 */
export async function call(method, path, body, timeout = 30_000) {
  const isFile = body instanceof Blob
  let response
  try {
    response = await fetch(`/api/v1/public${path}`, {
      method,
      credentials: 'omit',
      signal: AbortSignal.timeout(timeout),
      ...(body === undefined
        ? {}
        : {
            body: isFile ? body : JSON.stringify(body),
            headers: { 'content-type': isFile ? body.type : 'application/json' },
          }),
    })
  } catch {
    throw new Problem('network')
  }
  const document = await response.json().catch(() => ({}))
  if (response.ok) return document
  const where = document.errors?.[0]?.where ?? ''
  throw new Problem(document.code ?? 'internal', response.status, where.replace(/^body\//, ''))
}
