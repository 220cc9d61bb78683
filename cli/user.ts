import { Command, InvalidArgumentError, Option } from 'commander'
import { DateTime } from 'luxon'
import { ROLES } from '../gateway/model/user.ts'
import { Api } from './api.ts'
import { duration } from './options.ts'
import { httpOptions, targetOf, type TargetOptions, tokenOf } from './target.ts'

interface Options extends TargetOptions {
  role: string
  street?: string
  team?: string
  expires?: number
  json?: true
}

interface TokenOptions extends TargetOptions {
  expires: number
  title: string
  readOnly?: true
  json?: true
}

export function userCommand(): Command {
  return new Command('user')
    .description('people and programs that sign in')
    .addCommand(addCommand())
    .addCommand(tokenCommand())
    .addCommand(revokeCommand())
}

function addCommand(): Command {
  return httpOptions(new Command('add'))
    .description('let somebody in; prints their secret, this once')
    .argument('<name>', 'what they sign in as')
    .addOption(new Option('--role <role>', 'what they may do').choices(ROLES).makeOptionMandatory())
    .option('--street <id>', 'whose street it is, for the role street')
    .option('--team <id>', 'whose team it is, for the role team')
    .option(
      '--expires <when>',
      'until when they are let in: 90d, or a time with offset (default: no end)',
      end,
    )
    .option('--json', 'print as JSON')
    .addHelpText(
      'after',
      `
Example:
  gridwhistle user add li-si --role team --team tangzhazhen-crew`,
    )
    .action(async (name: string, options: Options) => {
      const { role, street, team, expires } = options
      const target = targetOf(options)
      const api = new Api(target.httpUrl, tokenOf(target))
      const user = (await api.post('/api/v1/users', {
        name,
        role,
        ...(street !== undefined && { street }),
        ...(team !== undefined && { team }),
        ...(expires !== undefined && { expires }),
      })) as { name: string; secret: string }
      const line = options.json === true ? JSON.stringify(user) : `${user.name} signs in with ${user.secret}`
      process.stdout.write(`${line}\n`)
    })
}

function tokenCommand(): Command {
  return httpOptions(new Command('token'))
    .description('make a second key of a user, with an end; prints it, this once')
    .argument('<name>', 'whose it is')
    .addOption(
      new Option('--expires <when>', 'when it ends: 90d, or a time with offset; 400 days at most')
        .argParser(end)
        .makeOptionMandatory(),
    )
    .option('--title <text>', 'what it is for', 'made on the command line')
    .option('--read-only', 'it may change nothing')
    .option('--json', 'print as JSON')
    .addHelpText(
      'after',
      `
Example:
  gridwhistle user token li-si --expires 90d --title "dispatch wall" --read-only`,
    )
    .action(async (name: string, options: TokenOptions) => {
      const { expires, title, readOnly = false } = options
      const target = targetOf(options)
      const api = new Api(target.httpUrl, tokenOf(target))
      const path = `/api/v1/users/${encodeURIComponent(name)}/tokens`
      const made = (await api.post(path, { title, expires, readOnly })) as { id: string; token: string }
      const line = options.json === true ? JSON.stringify(made) : `token ${made.id} is ${made.token}`
      process.stdout.write(`${line}\n`)
    })
}

function revokeCommand(): Command {
  return httpOptions(new Command('revoke'))
    .description('end a token; what it has opened closes')
    .argument('<name>', 'whose it is')
    .argument('<id>', 'which one, as it was called when it was made')
    .addHelpText(
      'after',
      `
Example:
  gridwhistle user revoke li-si 4fK2mPq8xZ0a`,
    )
    .action(async (name: string, id: string, options: TargetOptions) => {
      const target = targetOf(options)
      const api = new Api(target.httpUrl, tokenOf(target))
      await api.delete(`/api/v1/users/${encodeURIComponent(name)}/tokens/${encodeURIComponent(id)}`)
    })
}

/** Epoch ms of a duration from now, or of a time. */
function end(text: string): number {
  if (/^\d+[smhd]$/.test(text)) return Date.now() + duration(text)
  const time = DateTime.fromISO(text, { setZone: true })
  if (time.isValid && /(Z|[+-]\d{2}:?\d{2})$/i.test(text)) return time.toMillis()
  throw new InvalidArgumentError(
    'Expected a duration such as 90d, or a time such as 2027-01-31T00:00:00+08:00.',
  )
}
