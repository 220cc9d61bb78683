import { existsSync } from 'node:fs'
import { join } from 'node:path'
import type { Config } from '../gateway/config.ts'
import { categoriesOf } from '../rules/categories.ts'
import { areasOf, loadDistrict } from '../gateway/district/district.ts'
import { loadKinds } from '../gateway/model/kinds.ts'
import type { Rule } from '../gateway/model/rule.ts'
import { RulePicture } from '../gateway/rule-book/rule-picture.ts'
import { BUILT_IN_PACKS, loadRules, readRules, ruleFilesIn } from '../rules/pack.ts'
import { WrongUsage } from '../simulators/wrong-usage.ts'

/** Looks into `registry.db` without a gateway, or beside one that runs. */
export function withRulePicture<T>(
  { dataDir }: Pick<Config, 'dataDir'>,
  look: (picture: RulePicture) => T,
): T {
  const file = join(dataDir, 'registry.db')
  if (!existsSync(file))
    throw new WrongUsage(`${file} is not there: run this where the gateway keeps its data`)
  const picture = new RulePicture(file)
  try {
    return look(picture)
  } finally {
    picture.close()
  }
}

/** All rules of the files and folders, checked together, with the district's areas and categories. */
export function rulesIn(paths: readonly string[], config: Pick<Config, 'district'>): readonly Rule[] {
  const district = loadDistrict(config.district.file)
  return readRules(ruleFilesIn(paths), loadKinds(), areasOf(district), categoriesOf(district))
}

/** The rules of `FILE.yaml`, the one rule `ID` that is in force, or `ID@VERSION` as it once was. */
export function rulesNamed(name: string, config: Config): readonly Rule[] {
  if (/\.ya?ml$/.test(name)) return rulesIn([name], config)
  const [id, version] = name.split('@') as [string, string | undefined]
  if (version !== undefined && !/^\d{1,15}$/.test(version))
    throw new WrongUsage(`"${name}": expected FILE.yaml, ID or ID@VERSION`)
  const rule = withRulePicture(config, (picture) =>
    version === undefined ? picture.inForce(id) : picture.version(id, Number(version)),
  )
  if (rule !== undefined) return [rule]
  const district = loadDistrict(config.district.file)
  const folder = config.rules.dir ?? BUILT_IN_PACKS
  const packs = loadRules(folder, loadKinds(), areasOf(district), categoriesOf(district))
  const pack = packs.find((known) => known.id === id)
  if (version !== undefined && pack?.version === Number(version)) return [pack]
  throw new WrongUsage(
    version === undefined ? `no rule "${id}" is in force` : `no version ${version} of "${id}" is kept`,
  )
}
