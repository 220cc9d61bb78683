import { fitted, type Message } from '../message.ts'
import { linkTarget, plainText } from '../robot-text.ts'
import { HIDDEN, httpVerdict, JSON_HEADERS, robotAnswer, type Channel } from './channel.ts'

/**
 * 企业微信 (WeCom) group robot: POST …/cgi-bin/webhook/send?key=K, markdown of at most 4,096 bytes of UTF-8 (text:
 * 2,048), 20 messages a minute for each robot. HTTP is always 200; `errcode` says whether it was taken.
 * https://developer.work.weixin.qq.com/document/path/91770
 */
const CONTENT_LIMIT = 4096
const MINUTE = 60_000

/** -1: the system is busy. 45009 and 45033: too often, too many at once. */
const BUSY = -1
const TOO_OFTEN: readonly number[] = [45009, 45033]

export const wecom: Channel = {
  limits: [{ posts: 20, windowMs: MINUTE }],
  merge: { most: 1000, shown: 5 },
  expiresMs: 4 * 60 * MINUTE,

  fault: (url) => (url.searchParams.get('key') ? null : 'the address of a WeCom robot with its key=…'),

  masked: (url) => `${url.origin}${url.pathname}?key=${HIDDEN}`,

  request: ({ message }, { url }) => {
    const content = markdown(fitted(message, CONTENT_LIMIT, (cut) => Buffer.byteLength(markdown(cut))))
    return {
      url,
      headers: JSON_HEADERS,
      body: JSON.stringify({ msgtype: 'markdown', markdown: { content } }),
    }
  },

  verdict: (answer) => {
    const http = httpVerdict(answer)
    if (http.type !== 'taken') return http
    const said = robotAnswer(answer.body, 'errcode', 'errmsg')
    if (said === null) return { type: 'refused', detail: 'the answer is not that of a WeCom robot' }
    if (said.code === 0) return { type: 'taken' }
    const detail = `errcode ${said.detail}`
    if (TOO_OFTEN.includes(said.code)) return { type: 'later', detail, afterMs: MINUTE }
    return said.code === BUSY ? { type: 'later', detail } : { type: 'refused', detail }
  },
}

/** `info` is green, `comment` grey, `warning` orange-red. */
function markdown({ title, tone, lines, links }: Message): string {
  const colour = tone === 'warning' ? 'warning' : 'info'
  return [
    `**<font color="${colour}">${plainText(title)}</font>**`,
    ...lines.map((line) => `> ${plainText(line)}`),
    ...(links.length === 0
      ? []
      : [links.map(({ text, url }) => `[${plainText(text)}](${linkTarget(url)})`).join(' ')]),
  ].join('\n')
}
