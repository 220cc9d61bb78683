import { readdirSync, readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { AreaGeometry } from '../gateway/model/area.ts'
import type { Kinds } from '../gateway/model/kind.ts'
import type { Rule } from '../gateway/model/rule.ts'
import { checkRules, type Problem, type RuleText } from './check.ts'
import { parseRuleText } from './rule-text.ts'

/** Rules that come with the gateway. */
export const BUILT_IN_PACKS = fileURLToPath(new URL('./packs', import.meta.url))

/** Of the district, by name. */
type Areas = ReadonlyMap<string, AreaGeometry>

/** A pack with mistakes in it: nothing of it is used. One line for each. */
export class RuleError extends Error {
  override readonly name = 'RuleError'
  readonly problems: readonly Problem[]

  constructor(problems: readonly Problem[]) {
    super(problems.map(problemLine).join('\n'))
    this.problems = problems
  }
}

export function problemLine({ file, rule, path, message }: Problem): string {
  const parts = [file, ...(rule === null ? [] : [`rule ${rule}`]), ...(path === '' ? [] : [path]), message]
  // Names and keys are the writer's: one mistake is one line, whatever they are.
  return parts.join(': ').replaceAll(/[\p{Cc}\u2028\u2029]/gu, ' ')
}

/** All rules of a folder's YAML files, checked; throws {@link RuleError}. */
export function loadRules(
  dir: string,
  kinds: Kinds,
  areas?: Areas,
  categories?: ReadonlySet<string>,
): readonly Rule[] {
  const files = filesOf(dir, 'rules.dir expects a folder with at least one .yaml')
  return readRules(files, kinds, areas, categories)
}

function namesIn(dir: string): string[] {
  try {
    return readdirSync(dir)
  } catch (error) {
    const message = `rules.dir expects a folder with rule files: ${(error as Error).message}`
    throw new RuleError([{ file: dir, rule: null, path: '', message }])
  }
}

/**
 * The rule files that are meant by these paths: of a folder all of its YAML files, as the gateway would load them.
 * Throws {@link RuleError} for a folder that holds none.
 */
export function ruleFilesIn(paths: readonly string[]): readonly string[] {
  return paths.flatMap((path) => (isFolder(path) ? filesOf(path, 'expected at least one .yaml') : [path]))
}

function isFolder(path: string): boolean {
  return statSync(path, { throwIfNoEntry: false })?.isDirectory() === true
}

function filesOf(dir: string, expected: string): string[] {
  const names = namesIn(dir).filter((name) => /\.ya?ml$/.test(name))
  if (names.length > 0) return names.sort().map((name) => join(dir, name))
  throw new RuleError([{ file: dir, rule: null, path: '', message: `holds no rule file; ${expected}` }])
}

/** All rules of the files, checked together; throws {@link RuleError}. */
export function readRules(
  files: readonly string[],
  kinds: Kinds,
  areas?: Areas,
  categories?: ReadonlySet<string>,
): readonly Rule[] {
  const texts: RuleText[] = []
  const problems: Problem[] = []
  for (const file of files) {
    const read = readYaml(file)
    if ('problem' in read) problems.push(read.problem)
    else texts.push({ file, content: read.content })
  }
  const checked = checkRules(texts, kinds, areas, categories)
  problems.push(...checked.problems)
  if (problems.length > 0) throw new RuleError(problems)
  return checked.rules
}

function readYaml(file: string): { content: unknown } | { problem: Problem } {
  const problem = (message: string) => ({ problem: { file, rule: null, path: '', message } })
  let text: string
  try {
    text = readFileSync(file, 'utf8')
  } catch (error) {
    return problem(`cannot be read: ${(error as Error).message}`)
  }
  const parsed = parseRuleText(text)
  return 'mistake' in parsed ? problem(parsed.mistake) : parsed
}
