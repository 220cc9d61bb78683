import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { Command } from 'commander'
import { loadConfig } from '../gateway/config.ts'
import { loadDistrict } from '../gateway/district/district.ts'
import { PLACE_KEY_FILE, readPlaceKey } from '../gateway/people/place-key.ts'
import { ReportPlaces } from '../gateway/people/places.ts'
import { qrSheet, qrSvg, reportUrl, type Print } from '../gateway/people/qr-sheet.ts'
import { WrongUsage } from '../simulators/wrong-usage.ts'
import { address } from './options.ts'

interface Options {
  district?: string
  url: string
  out: string
  config?: string
  json?: true
}

export function placesCommand(): Command {
  return new Command('places').description('places where people report').addCommand(qrCommand())
}

/** Without the gateway: from the district file and the key in dataDir, which it has made at its first start. */
function qrCommand(): Command {
  return new Command('qr')
    .description('QR codes to print, one for each place where people report: a sheet and an SVG of each')
    .requiredOption(
      '--url <base>',
      'as people reach the gateway, such as https://report.example.cn',
      address('http', 'https'),
    )
    .requiredOption('--out <dir>', 'folder to write to; made when missing')
    .option('--district <file>', 'district file (default: as configured, or the built-in one)')
    .option('--config <file>', 'gateway.yaml to take the district, dataDir and people.placeKey from')
    .option('--json', 'print what was written as JSON')
    .addHelpText(
      'after',
      `
A code holds a check code that only people.placeKey can make, or the key in dataDir/places.key:
run this where the gateway runs, or take GET /api/v1/places/qr.

Example:
  gridwhistle places qr --url https://report.example.cn --out codes`,
    )
    .action(async (options: Options) => {
      const config = loadConfig(options.config, process.env)
      const district = loadDistrict(options.district ?? config.district.file)
      const places = new ReportPlaces(district, keyOf(config))
      const prints = places.all().map((place): Print => ({
        place,
        street: district.streets.find(({ id }) => id === place.street)?.title,
        url: reportUrl(options.url, places.codeOf(place.id)),
      }))
      if (prints.length === 0) {
        throw new Error(
          `district ${district.id} has no place where people report: give a site of it "reports: {}"`,
        )
      }
      mkdirSync(options.out, { recursive: true })
      writeFileSync(join(options.out, 'sheet.html'), await qrSheet(district.title, prints))
      // A place's id is an identifier: nothing in it climbs a path.
      for (const { place, url } of prints)
        writeFileSync(join(options.out, `${place.id}.svg`), await qrSvg(url))
      const told =
        options.json === true
          ? JSON.stringify({ places: prints.map(({ place, url }) => ({ place: place.id, url })) })
          : `${prints.length} codes in ${options.out}: sheet.html to print, and an SVG of each`
      process.stdout.write(`${told}\n`)
    })
}

function keyOf(config: ReturnType<typeof loadConfig>): string {
  if (config.people.placeKey !== undefined) return config.people.placeKey
  const file = join(config.dataDir, PLACE_KEY_FILE)
  try {
    return readPlaceKey(file)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error
    throw new WrongUsage(
      `no key for the codes: ${file} is made by the gateway's first start; or set people.placeKey (GW_PEOPLE_PLACE_KEY)`,
    )
  }
}
