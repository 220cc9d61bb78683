import { describe, expect, test } from 'vitest'
import { loadKinds } from '../../gateway/model/kinds.ts'
import { mismatch, unitId } from './units.ts'

const { ph, do: oxygen, conductivity, turbidity, flow } = loadKinds().get('river_station')!.metrics
const UNECE = 'http://www.opcfoundation.org/UA/units/un/cefact'
const unece = (code: string, text: string) => ({ unit: { namespace: UNECE, id: unitId(code), text } })
const own = (text: string) => ({ unit: { namespace: 'urn:vendor', id: 7, text } })

test('a common code is its characters as a number', () => {
  // OPC 10000-8 §5.6.3.2: "C81", radian, is 4405297.
  expect(unitId('C81')).toBe(4405297)
})

describe('units that are the same', () => {
  test.each([
    [oxygen, unece('M1', 'whatever')],
    [oxygen, own('mg/l')],
    [ph, unece('Q30', 'pH')],
    [ph, unece('C62', '')],
    [ph, own('pH')],
    [ph, own('')],
    [conductivity, own('us/cm')],
    [conductivity, own('μS/cm')],
    [turbidity, own('NTU')],
    [flow, own('m3/s')],
    [flow, own('m^3/s')],
    [oxygen, {}],
    [oxygen, { range: { low: 0, high: 20 } }],
  ])('%#', (metric, engineering) => expect(mismatch(metric!, engineering)).toBeNull())
})

test.each([
  [oxygen, unece('CEL', '°C'), 'its unit is "°C (UNECE CEL)"; expected mg/L'],
  [oxygen, unece('GL', 'g/l'), 'its unit is "g/l (UNECE GL)"; expected mg/L'],
  [oxygen, own('%'), 'its unit is "%"; expected mg/L'],
  [ph, own('mV'), 'its unit is "mV"; expected no unit'],
  [ph, { range: { low: 100, high: 500 } }, 'its range is 100 to 500; expected within 0 to 14'],
])('%#: what is not the same is named', (metric, engineering, problem) => {
  expect(mismatch(metric!, engineering)).toBe(problem)
})
