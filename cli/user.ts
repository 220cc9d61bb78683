import { Command, Option } from 'commander'
import { ROLES } from '../gateway/model/user.ts'
import { Api } from './api.ts'
import { httpOptions, targetOf, type TargetOptions, tokenOf } from './target.ts'

interface Options extends TargetOptions {
  role: string
  street?: string
  team?: string
  json?: true
}

export function userCommand(): Command {
  return new Command('user').description('people and programs that sign in').addCommand(addCommand())
}

function addCommand(): Command {
  return httpOptions(new Command('add'))
    .description('let somebody in; prints their secret, this once')
    .argument('<name>', 'what they sign in as')
    .addOption(new Option('--role <role>', 'what they may do').choices(ROLES).makeOptionMandatory())
    .option('--street <id>', 'whose street it is, for the role street')
    .option('--team <id>', 'whose team it is, for the role team')
    .option('--json', 'print as JSON')
    .addHelpText(
      'after',
      `
Example:
  gridwhistle user add li-si --role team --team tangzhazhen-crew`,
    )
    .action(async (name: string, options: Options) => {
      const { role, street, team } = options
      const target = targetOf(options)
      const api = new Api(target.httpUrl, tokenOf(target))
      const user = (await api.post('/api/v1/users', {
        name,
        role,
        ...(street !== undefined && { street }),
        ...(team !== undefined && { team }),
      })) as { name: string; secret: string }
      const line = options.json === true ? JSON.stringify(user) : `${user.name} signs in with ${user.secret}`
      process.stdout.write(`${line}\n`)
    })
}
