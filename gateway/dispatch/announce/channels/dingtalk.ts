import { createHmac } from 'node:crypto'
import { fitted, type Message } from '../message.ts'
import { linkTarget, plainText } from '../robot-text.ts'
import { HIDDEN, httpVerdict, JSON_HEADERS, robotAnswer, type Channel } from './channel.ts'

/**
 * 钉钉 (DingTalk) group robot: POST …/robot/send?access_token=T&timestamp=…&sign=…, 20 messages a minute for each
 * robot, a body of at most 20,000 bytes. HTTP is always 200; `errcode` says whether it was taken.
 * https://open.dingtalk.com/document/robots/custom-robot-access
 */
const BODY_LIMIT = 18_000
const MINUTE = 60_000

/** -1: the system is busy. 130101 and 410100: too often. */
const BUSY = -1
const TOO_OFTEN: readonly number[] = [130101, 410100]

export const dingtalk: Channel = {
  limits: [{ posts: 20, windowMs: MINUTE }],
  merge: { most: 1000, shown: 5 },
  expiresMs: 4 * 60 * MINUTE,

  fault: (url) =>
    url.searchParams.get('access_token') ? null : 'the address of a DingTalk robot with its access_token=…',

  masked: (url) => `${url.origin}${url.pathname}?access_token=${HIDDEN}`,

  request: ({ message }, { url, secret }, now) => {
    const signed = new URL(url)
    if (secret !== null) {
      signed.searchParams.set('timestamp', String(now))
      signed.searchParams.set('sign', dingtalkSignature(now, secret))
    }
    const body = bodyOf(fitted(message, BODY_LIMIT, (cut) => Buffer.byteLength(bodyOf(cut))))
    return { url: signed.href, headers: JSON_HEADERS, body }
  },

  verdict: (answer) => {
    const http = httpVerdict(answer)
    if (http.type !== 'taken') return http
    const said = robotAnswer(answer.body, 'errcode', 'errmsg')
    if (said === null) return { type: 'refused', detail: 'the answer is not that of a DingTalk robot' }
    if (said.code === 0) return { type: 'taken' }
    const detail = `errcode ${said.detail}`
    // Who goes on beyond the limit is shut out for ten minutes.
    if (TOO_OFTEN.includes(said.code)) return { type: 'later', detail, afterMs: MINUTE }
    return said.code === BUSY ? { type: 'later', detail } : { type: 'refused', detail }
  },
}

/** Base64 of HMAC-SHA256 with the secret as key, over `{ms}\n{secret}`; good for an hour either way. */
export function dingtalkSignature(timestamp: number, secret: string): string {
  return createHmac('sha256', secret).update(`${timestamp}\n${secret}`).digest('base64')
}

function bodyOf(message: Message): string {
  return JSON.stringify({
    msgtype: 'markdown',
    markdown: { title: plainText(message.title), text: markdown(message) },
    at: { atMobiles: [], isAtAll: false },
  })
}

/** A line ends with an empty one, or it runs into the next. */
function markdown({ title, lines, links }: Message): string {
  return [
    `#### ${plainText(title)}`,
    ...lines.map((line) => `> ${plainText(line)}`),
    ...(links.length === 0
      ? []
      : [links.map(({ text, url }) => `[${plainText(text)}](${linkTarget(url)})`).join(' ')]),
  ].join('\n\n')
}
