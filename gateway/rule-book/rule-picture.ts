import { DatabaseSync } from 'node:sqlite'
import type { Verdict } from '../../rules/suggest.ts'
import { verdictsOf } from '../dispatch/precision.ts'
import { rulesInForce } from '../judge/store.ts'
import type { Rule } from '../model/rule.ts'
import { versionOf } from './rule-changes.ts'
import { textOf } from './rule-texts.ts'

/** Rules and what came of them, out of `registry.db`; read-only, so beside a gateway that runs, or without one. */
export class RulePicture {
  readonly #sql: DatabaseSync

  constructor(file: string) {
    this.#sql = new DatabaseSync(file, { readOnly: true, timeout: 5000 })
  }

  /** As the last run of the judge went by it. */
  inForce(id: string): Rule | undefined {
    return rulesInForce(this.#sql).find((rule) => rule.id === id)
  }

  /** A version that is in force, was made over HTTP or has raised an alarm; no other of packs that are no more is kept. */
  version(id: string, version: number): Rule | undefined {
    const present = this.inForce(id)
    return present?.version === version
      ? present
      : (versionOf(this.#sql, id, version) ?? textOf(this.#sql, id, version))
  }

  verdicts(id: string): readonly Verdict[] {
    return verdictsOf(this.#sql, id)
  }

  close(): void {
    this.#sql.close()
  }
}
