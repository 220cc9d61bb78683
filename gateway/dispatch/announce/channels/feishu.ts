import { createHmac } from 'node:crypto'
import { fitted, type Message } from '../message.ts'
import { linkTarget, plainText } from '../robot-text.ts'
import { HIDDEN, httpVerdict, JSON_HEADERS, robotAnswer, type Channel } from './channel.ts'

/**
 * 飞书 (Feishu, Lark) group robot: POST …/open-apis/bot/v2/hook/ID, signed in the body, at most 20 KB, 100 messages a
 * minute and 5 a second. `code` says whether it was taken; at full and half hours, when everybody's timers go off,
 * it turns more away, hence the longer pause after "too often".
 * https://open.feishu.cn/document/client-docs/bot-v3/add-custom-bot
 */
const BODY_LIMIT = 19_000
const MINUTE = 60_000

/** Too often. */
const TOO_OFTEN: readonly number[] = [11232, 9499002]

export const feishu: Channel = {
  limits: [
    { posts: 100, windowMs: MINUTE },
    { posts: 5, windowMs: 1000 },
  ],
  merge: { most: 1000, shown: 5 },
  expiresMs: 4 * 60 * MINUTE,

  fault: (url) =>
    /\/hook\/[^/]+$/.test(url.pathname)
      ? null
      : 'the address of a Feishu robot, which ends with /hook/ and its id',

  masked: (url) => `${url.origin}${url.pathname.replace(/[^/]+$/, HIDDEN)}`,

  request: ({ message }, { url, secret }, now) => {
    const seconds = Math.floor(now / 1000)
    const signed =
      secret === null ? {} : { timestamp: String(seconds), sign: feishuSignature(seconds, secret) }
    const bodyOf = (cut: Message) => JSON.stringify({ ...signed, msg_type: 'interactive', card: card(cut) })
    return {
      url,
      headers: JSON_HEADERS,
      body: bodyOf(fitted(message, BODY_LIMIT, (cut) => Buffer.byteLength(bodyOf(cut)))),
    }
  },

  // 19001 the hook does not exist, 19021 signature or time, 19022 address, 19024 keyword, 9499 body: all for good.
  verdict: (answer) => {
    const said =
      robotAnswer(answer.body, 'code', 'msg') ?? robotAnswer(answer.body, 'StatusCode', 'StatusMessage')
    // Its refusals may come with HTTP 400: the code says more.
    if (said === null) {
      const http = httpVerdict(answer)
      return http.type === 'taken'
        ? { type: 'refused', detail: 'the answer is not that of a Feishu robot' }
        : http
    }
    if (said.code === 0 && answer.status < 300) return { type: 'taken' }
    const detail = `code ${said.detail}`
    if (TOO_OFTEN.includes(said.code) || answer.status === 429)
      return { type: 'later', detail, afterMs: MINUTE }
    return answer.status >= 500 ? { type: 'later', detail } : { type: 'refused', detail }
  },
}

/** Base64 of HMAC-SHA256 with `{seconds}\n{secret}` as key, over nothing; good for an hour either way. */
export function feishuSignature(timestamp: number, secret: string): string {
  return createHmac('sha256', `${timestamp}\n${secret}`).digest('base64')
}

function card({ title, tone, lines, links }: Message) {
  const actions = links.map(({ text, url }) => `[${plainText(text)}](${linkTarget(url)})`).join('  ')
  const content = [...lines.map(plainText), ...(actions === '' ? [] : [actions])].join('\n')
  return {
    config: { wide_screen_mode: true },
    header: {
      template: tone === 'warning' ? 'orange' : 'blue',
      title: { tag: 'plain_text', content: plainText(title) },
    },
    elements: [{ tag: 'div', text: { tag: 'lark_md', content } }],
  }
}
