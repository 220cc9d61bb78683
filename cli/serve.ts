import { Command } from 'commander'
import { runGateway } from '../gateway/main.ts'

export function serveCommand(): Command {
  return new Command('serve')
    .description('run the gateway until SIGTERM or SIGINT')
    .option('--config <file>', 'configuration; gateway.example.yaml explains every key')
    .addHelpText(
      'after',
      `
Writes one JSON line with its ports to standard output when every listener accepts traffic; logs go to
standard error. Every key of the configuration has an environment variable: mqtt.port is GW_MQTT_PORT.

Example:
  gridwhistle serve --config gateway.yaml`,
    )
    .action(async ({ config }: { config?: string }) => {
      await runGateway({ configFile: config })
    })
}
