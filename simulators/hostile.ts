import type { Chance } from './chance.ts'

/**
 * What no device should send, and what somebody who has its secret might: the gateway refuses every one of these, tells
 * nobody else, and goes on.
 */
const PAYLOADS: readonly ((at: number) => string)[] = [
  () => '{"ts":',
  () => '[]]',
  () => '\u0000\u0001\u0002',
  () => `${'['.repeat(2000)}${']'.repeat(2000)}`,
  (ts) => `{"ts":${ts},"metrics":{"__proto__":1}}`,
  (ts) => `{"ts":${ts},"metrics":{"constructor":{"prototype":1}}}`,
  (ts) => `{"ts":${ts},"metrics":{"<script>alert(1)</script>":1}}`,
  (ts) => `{"ts":${ts},"metrics":{"fume,street=x value=1\\nalarm":1}}`,
  (ts) => `{"ts":${ts},"metrics":{"no_such_metric":1e308}}`,
  (ts) => `{"ts":"${ts}'; DROP TABLE devices; --","metrics":{}}`,
  (ts) => `{"ts":${ts + 86_400_000},"metrics":{}}`,
  (ts) => `{"ts":${ts},"metrics":1e999}`,
  () => `{"a":"${'x'.repeat(20_000)}"}`,
]

export function hostilePayload(chance: Chance, number: number, ts: number): string {
  const index = Math.floor(chance.at('hostile', number) * PAYLOADS.length)
  return PAYLOADS[index]!(ts)
}
