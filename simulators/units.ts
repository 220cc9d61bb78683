/** Conversions by name, `from->to`: value × factor + offset. */
export const CONVERSIONS: Readonly<Record<string, { readonly factor: number; readonly offset: number }>> = {
  // International foot and inch, 1959: exact.
  'ft->m': { factor: 0.3048, offset: 0 },
  'in->mm': { factor: 25.4, offset: 0 },
  'cm->m': { factor: 0.01, offset: 0 },
  'ft3/s->m3/s': { factor: 0.3048 ** 3, offset: 0 },
  'L/s->m3/s': { factor: 0.001, offset: 0 },
  'degF->degC': { factor: 5 / 9, offset: -160 / 9 },
  'K->degC': { factor: 1, offset: -273.15 },
  'mS/cm->uS/cm': { factor: 1000, offset: 0 },
  'ug/m3->mg/m3': { factor: 0.001, offset: 0 },
  'mg/m3->ug/m3': { factor: 1000, offset: 0 },
  'ug/L->mg/L': { factor: 0.001, offset: 0 },
  'knot->m/s': { factor: 1852 / 3600, offset: 0 },
  'mph->km/h': { factor: 1.609344, offset: 0 },
  'psi->MPa': { factor: 0.006894757293168, offset: 0 },
}

/** Twelve significant digits: what a recording said, without the dust of binary arithmetic. */
export function convert(
  value: number,
  { factor = 1, offset = 0 }: { factor?: number; offset?: number },
): number {
  if (factor === 1 && offset === 0) return value
  return Number((value * factor + offset).toPrecision(12))
}
