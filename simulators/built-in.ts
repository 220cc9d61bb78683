import { existsSync, readdirSync } from 'node:fs'
import { fileURLToPath } from 'node:url'

/** A scenario file, or the one of that name which comes with the simulators. */
export function scenarioFile(name: string): string {
  return builtIn('scenarios', name)
}

/** A recording map, or the one of that name which comes with the simulators. */
export function mapFile(name: string): string {
  return builtIn('maps', name)
}

export function placeFile(name: string): string {
  return builtIn('places', name)
}

/** Names of the scenarios that come with the simulators. */
export function builtInScenarios(): string[] {
  return readdirSync(new URL('scenarios', import.meta.url))
    .filter((file) => file.endsWith('.yaml'))
    .map((file) => file.slice(0, -'.yaml'.length))
    .sort()
}

function builtIn(folder: string, name: string): string {
  if (!/^[\w.-]+$/.test(name)) return name
  const file = fileURLToPath(new URL(`${folder}/${name}.yaml`, import.meta.url))
  return existsSync(file) ? file : name
}
