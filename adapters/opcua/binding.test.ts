import { expect, test } from 'vitest'
import { loadKinds } from '../../gateway/model/kinds.ts'
import { bindingOf, opcuaWire } from './binding.ts'

const river = loadKinds().get('river_station')!
const good = { endpoint: 'opc.tcp://10.0.0.5:4840', nodes: { ph: 'ns=2;s=Station.pH' } }

test('a binding has its defaults filled in, and is left as it was', () => {
  expect(bindingOf({ opcua: good })).toEqual({
    ...good,
    securityMode: 'None',
    securityPolicy: 'Basic256Sha256',
  })
  expect(good).not.toHaveProperty('securityMode')
  expect(bindingOf({})).toBeNull()
})

test.each([
  [good, null],
  [{ ...good, nodes: { ph: '/Objects/2:Station/2:pH', do: 'i=2258' } }, null],
  [{ ...good, securityMode: 'Sign', username: 'a', password: 'b' }, null],
  [{ ...good, endpoint: 'http://10.0.0.5' }, /^endpoint: expected opc\.tcp/],
  [
    { ...good, endpoint: 'opc.tcp://user:secret@10.0.0.5:4840' },
    /^endpoint: expected opc\.tcp:\/\/host:port$/,
  ],
  [{ ...good, nodes: {} }, /^nodes: expected/],
  [{ ...good, nodes: { ph: 'Station.pH' } }, /^nodes\.ph: expected a node id/],
  [{ ...good, nodes: { fume: 'i=1' } }, /^nodes\.fume: river_station has no such metric/],
  [{ ...good, nodes: { constructor: 'i=1' } }, /^nodes\.constructor: river_station has no such metric/],
  [{ ...good, securityMode: 'Encrypt' }, /^securityMode: expected one of None, Sign/],
  [{ ...good, username: 'a', password: 'b' }, /^securityMode: None would show the password/],
  [{ ...good, securityMode: 'Sign', password: 'b' }, /^username: missing/],
  [{ ...good, polling: 5 }, /^polling: unknown key; expected endpoint, nodes/],
  [{ nodes: good.nodes }, /^endpoint: missing/],
  ['opc.tcp://10.0.0.5', /^expected an object/],
])('%j: %s', (binding, problem) => {
  const fault = opcuaWire.fault(binding, river)
  if (problem === null) expect(fault).toBeNull()
  else expect(fault).toMatch(problem)
})
