import { readFileSync } from 'node:fs'
import { Command } from 'commander'
import { exitCodeOf } from './exit.ts'

/** One file per command (contract §1), of which only the one that is asked for is loaded. */
const COMMANDS: Readonly<Record<string, () => Promise<Command>>> = {
  serve: async () => (await import('./serve.ts')).serveCommand(),
  demo: async () => (await import('./demo.ts')).demoCommand(),
  devices: async () => (await import('./devices.ts')).devicesCommand(),
  district: async () => (await import('./district.ts')).districtCommand(),
  rules: async () => (await import('./rules.ts')).rulesCommand(),
  record: async () => (await import('./record.ts')).recordCommand(),
  replay: async () => (await import('./replay.ts')).replayCommand(),
  simulate: async () => (await import('./simulate.ts')).simulateCommand(),
  crews: async () => (await import('./crews.ts')).crewsCommand(),
  load: async () => (await import('./load.ts')).loadCommand(),
  hj212: async () => (await import('./hj212.ts')).hj212Command(),
  audit: async () => (await import('./audit.ts')).auditCommand(),
  case: async () => (await import('./case.ts')).caseCommand(),
  journal: async () => (await import('./journal.ts')).journalCommand(),
  report: async () => (await import('./report.ts')).reportCommand(),
  places: async () => (await import('./places.ts')).placesCommand(),
  user: async () => (await import('./user.ts')).userCommand(),
}

/** Where help and complaints go; what a command has to say goes to standard output. */
export interface Terminal {
  readonly out: (text: string) => void
  readonly err: (text: string) => void
}

/** Runs a command line and answers its exit code; never rejects. */
export async function runProgram(args: readonly string[], terminal: Terminal): Promise<number> {
  try {
    const program = await programFor(args[0] ?? '', terminal)
    await program.parseAsync(args, { from: 'user' })
    return 0
  } catch (error) {
    return exitCodeOf(error, terminal.err)
  }
}

async function programFor(asked: string, terminal: Terminal): Promise<Command> {
  const { version } = JSON.parse(readFileSync(new URL('../package.json', import.meta.url), 'utf8')) as {
    version: string
  }
  const program = new Command('gridwhistle')
    .description('网格哨: readings in, nothing lost, alarms by regulation, cases to the right crew')
    .version(version)
    .showHelpAfterError('(--help shows how)')
    .configureOutput({ writeOut: terminal.out, writeErr: terminal.err })
    // Or commander would end the process with 1 on wrong usage.
    .exitOverride()
  for (const name of Object.hasOwn(COMMANDS, asked) ? [asked] : Object.keys(COMMANDS)) {
    const command = await COMMANDS[name]!()
    inherit(command, program)
    program.addCommand(command)
  }
  return program
}

/** `addCommand` hands nothing down by itself. */
function inherit(command: Command, from: Command): void {
  command.copyInheritedSettings(from)
  for (const child of command.commands) inherit(child, command)
}
