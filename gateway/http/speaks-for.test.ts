import { expect, test } from 'vitest'
import { checkedDevice } from '../registry/device-check.ts'
import { loadKinds } from '../model/kinds.ts'
import { httpWire, speaksFor } from './speaks-for.ts'

const kinds = loadKinds()
const gateway = (protocols: object) =>
  checkedDevice(
    { id: 'edge', kind: 'cooking_fume', site: 's', street: 'wenfeng', grid: 'g', protocols },
    kinds,
    [httpWire],
  )

test.each([
  [{ htp: { forwards: ['a'] } }, 'protocols.htp: unknown; expected http'],
  [{ http: { forward: ['a'] } }, 'protocols.http.forwards: expected'],
  [{ http: { forwards: 'a' } }, 'protocols.http.forwards: expected'],
  [{ http: { forwards: ['a b'] } }, 'protocols.http.forwards: expected'],
])('a registration that names nobody because it is mistyped is refused: %j', (protocols, said) => {
  expect(() => gateway(protocols)).toThrow(said)
})

test('a device speaks for itself and for those that its registration names', () => {
  const devices = {
    get: (id: string) => (id === 'edge' ? gateway({ http: { forwards: ['a'] } }) : undefined),
  }
  const caller = { type: 'device', device: 'edge' } as const
  const speaks = ['edge', 'a', 'b'].map((device) => speaksFor(caller, device, devices))
  expect(speaks).toEqual([true, true, false])
})
