import type { Announcement } from '../announcement.ts'
import type { Message } from '../message.ts'

/** A request as it will go out: channels make it, {@link Sender} sends it. */
export interface Outgoing {
  readonly url: string
  readonly headers: Readonly<Record<string, string>>
  readonly body: string
}

/** What a receiver has answered; `body` is the beginning of it. */
export interface Answer {
  readonly status: number
  readonly body: string
  /** `Retry-After`, ms, where it is a number of seconds. */
  readonly retryAfterMs?: number
}

/** What the answer means. `detail` is for people and holds no secret. */
export type Verdict =
  | { readonly type: 'taken' }
  /** Not now: try again, at the earliest after so long, ms. */
  | { readonly type: 'later'; readonly detail: string; readonly afterMs?: number }
  /** It will never take this. */
  | { readonly type: 'refused'; readonly detail: string }

/** What is announced to a receiver, in every form that a channel may need. */
export interface Letter {
  readonly announcement: Announcement
  readonly message: Message
}

export interface Receiver {
  readonly url: string
  readonly secret: string | null
}

/** So many posts in so long a window, ms. */
export interface Limit {
  readonly posts: number
  readonly windowMs: number
}

/** A kind of receiver, as pure functions; all that is known of its format, limits and codes is in its file. */
export interface Channel {
  /** What the receiver allows; exceeding it gets a robot blocked. */
  readonly limits: readonly Limit[]
  /** Events in one post at most, when they are merged, and whether all of them are carried in full. */
  readonly merge: { readonly most: number; readonly shown: number }
  /** News that is older than this when its turn comes is news no more, ms. */
  readonly expiresMs: number
  /** Null when the address can be one of this kind, else what was expected. */
  readonly fault: (url: URL) => string | null
  /** The address with everything in it hidden that is a secret. */
  readonly masked: (url: URL) => string
  /** `now` is epoch ms; some signatures hold it. */
  readonly request: (letter: Letter, receiver: Receiver, now: number) => Outgoing
  readonly verdict: (answer: Answer) => Verdict
}

export const HIDDEN = '***'
export const JSON_HEADERS = { 'content-type': 'application/json; charset=utf-8' } as const
const DETAIL_LIMIT = 200

/** 2xx is taken, what may pass by itself is tried again, and a redirect is never followed. */
export function httpVerdict({ status, retryAfterMs }: Answer): Verdict {
  if (status >= 200 && status < 300) return { type: 'taken' }
  const detail = `HTTP ${status}`
  if (status >= 300 && status < 400)
    return { type: 'refused', detail: `${detail}: a redirect, which is not followed` }
  const passes = status >= 500 || status === 408 || status === 425 || status === 429
  if (!passes) return { type: 'refused', detail }
  return { type: 'later', detail, ...(retryAfterMs !== undefined && { afterMs: retryAfterMs }) }
}

/** The code and the words of a robot's JSON answer; null when it is none. */
export function robotAnswer(
  body: string,
  codeField: string,
  textField: string,
): { readonly code: number; readonly detail: string } | null {
  let parsed: unknown
  try {
    parsed = JSON.parse(body)
  } catch {
    return null
  }
  if (typeof parsed !== 'object' || parsed === null) return null
  const code = (parsed as Record<string, unknown>)[codeField]
  const text = (parsed as Record<string, unknown>)[textField]
  if (typeof code !== 'number') return null
  return { code, detail: `${code}${typeof text === 'string' ? ` ${said(text)}` : ''}` }
}

/** WeCom writes a hint with the caller's address and a link behind its words. */
function said(text: string): string {
  return text
    .replace(/,? *hint: .*$/s, '')
    .replace(/\p{C}+/gu, ' ')
    .slice(0, DETAIL_LIMIT)
    .toWellFormed()
}
