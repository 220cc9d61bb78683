import type { Position } from '../model/reading.ts'

/**
 * Opens the site in Amap, in the app where there is one. `coordinate=wgs84` lets Amap do the shift to GCJ-02
 * (lbs.amap.com, URI API, "marker"); longitude comes first there.
 */
export function mapLink(position: Position, name: string): string {
  const place = `${position[0].toFixed(6)},${position[1].toFixed(6)}`
  return `https://uri.amap.com/marker?position=${place}&name=${encodeURIComponent(name)}&src=gridwhistle&coordinate=wgs84&callnative=1`
}

/** The case in the console; `consoleUrl` without a slash at its end. */
export function consoleLink(consoleUrl: string, caseId: string): string {
  return `${consoleUrl}/#/cases/${encodeURIComponent(caseId)}`
}
