/** One mistake in a district file. */
export interface Finding {
  /** With an error the gateway does not start; a warning is for somebody to look at. */
  readonly severity: 'error' | 'warning'
  /** `sites.12.gauge.guarantee`; empty when it is the whole file's. */
  readonly path: string
  /** What is there, with its value. */
  readonly what: string
  /** What was expected instead. */
  readonly expected: string
}

/** Where findings are put while a file is checked. */
export class Findings {
  readonly all: Finding[] = []

  error(path: string, what: string, expected: string): void {
    this.all.push({ severity: 'error', path, what, expected })
  }

  warning(path: string, what: string, expected: string): void {
    this.all.push({ severity: 'warning', path, what, expected })
  }
}

/** A finding in one line, whatever the names in the file hold; `line` is that of the file, from 1. */
export function findingLine(
  file: string,
  { severity, path, what, expected }: Finding,
  line?: number,
): string {
  const where = line === undefined ? file : `${file}:${line}`
  const mark = severity === 'warning' ? ['warning'] : []
  const parts = [where, ...mark, ...(path === '' ? [] : [path]), `${what}; expected ${expected}`]
  return parts.join(': ').replaceAll(/[\p{Cc}\u2028\u2029]/gu, ' ')
}

export function listed(names: Iterable<string>): string {
  return [...names].join(', ')
}

/** The first few of many, and how many more there are. */
export function firstFew(names: readonly string[], few = 5): string {
  const more = names.length - few
  return more > 0 ? `${listed(names.slice(0, few))} and ${more} more` : listed(names)
}
