import type { Position } from '../model/reading.ts'

/** One link for each map app that people have; a link that opens in the app where there is one. */
export interface MapLinks {
  readonly amap: string
  readonly tencent: string
  readonly baidu: string
  /** RFC 5870: for phones that ask which app to open; WGS-84, latitude first. */
  readonly geo: string
}

/**
 * Each link says that its coordinates are WGS-84 (GPS) and leaves the shift to GCJ-02 or BD-09 to the app, so that
 * none is shifted twice. Longitude comes first in Amap's alone.
 *
 * Sources: lbs.amap.com, URI API "marker" (`coordinate=wgs84`); lbs.qq.com, URI API "marker" (`coord_type=1`, GPS);
 * lbsyun.baidu.com, URI API "marker" (`coord_type=wgs84`).
 */
export function mapLinks(position: Position, name: string): MapLinks {
  const [longitude, latitude] = [position[0].toFixed(6), position[1].toFixed(6)]
  // Tencent's marker is a list of its own, and no name may begin another part of it.
  const title = encodeURIComponent(name.toWellFormed().replaceAll(/[;:|]/g, ' '))
  const text = encodeURIComponent(name.toWellFormed())
  return {
    amap: `https://uri.amap.com/marker?position=${longitude},${latitude}&name=${text}&src=gridwhistle&coordinate=wgs84&callnative=1`,
    tencent: `https://apis.map.qq.com/uri/v1/marker?marker=coord:${latitude},${longitude};title:${title}&coord_type=1&referer=gridwhistle`,
    baidu: `https://api.map.baidu.com/marker?location=${latitude},${longitude}&title=${text}&content=${text}&coord_type=wgs84&output=html&src=webapp.gridwhistle.gridwhistle`,
    geo: `geo:${latitude},${longitude}`,
  }
}

/** Opens the site in Amap, in the app where there is one. */
export function mapLink(position: Position, name: string): string {
  return mapLinks(position, name).amap
}

/** The case in the console; `consoleUrl` without a slash at its end. */
export function consoleLink(consoleUrl: string, caseId: string): string {
  return `${consoleUrl}/#/cases/${encodeURIComponent(caseId)}`
}
