/**
 * Test set-up: the real services that the tests talk to, from Debian. Installed when missing and this is
 * root; otherwise the tests that need one say so and are skipped, except in CI, where that is a failure.
 */
import { spawnSync } from 'node:child_process'
import { existsSync } from 'node:fs'

const packages: Record<string, string> = {
  influxdb: '/usr/bin/influxd',
  'influxdb-client': '/usr/bin/influx',
  mosquitto: '/usr/sbin/mosquitto',
  'mosquitto-clients': '/usr/bin/mosquitto_pub',
  'victoria-metrics': '/usr/bin/victoria-metrics',
  chromium: '/usr/bin/chromium',
  openssl: '/usr/bin/openssl',
  iproute2: '/usr/sbin/ip',
}

const missing = () => Object.keys(packages).filter((name) => !existsSync(packages[name]!))

function apt(...words: string[]): void {
  const result = spawnSync('apt-get', ['-q', '-y', ...words], {
    stdio: ['ignore', 'ignore', 'inherit'],
    env: { ...process.env, DEBIAN_FRONTEND: 'noninteractive' },
  })
  if (result.status !== 0) console.error(`test services: apt-get ${words.join(' ')} failed`)
}

if (missing().length > 0 && process.getuid?.() === 0 && existsSync('/usr/bin/apt-get')) {
  console.error(`test services: installing ${missing().join(', ')}`)
  apt('update')
  apt('install', '--no-install-recommends', ...missing())
}
for (const name of missing())
  console.error(`test services: ${packages[name]} is missing (Debian package ${name})`)
if (missing().length > 0 && process.env['CI'] !== undefined) process.exit(1)
