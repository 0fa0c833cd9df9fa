#!/usr/bin/env node
import { mkdir, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { Command } from 'commander'
import { pino } from 'pino'
import { addCommands } from './commands.js'
import { readConfig } from './config/config.js'
import { startHub } from './hub.js'
import { welcome } from './welcome.js'

/** Flags of `serve` and the settings that they override. */
const SERVE_FLAGS = {
  host: 'HOST',
  port: 'PORT',
  data: 'DATA',
  url: 'URL',
  adminToken: 'ADMIN_TOKEN',
  db: 'DB',
  logLevel: 'LOG_LEVEL',
  registration: 'REGISTRATION',
} as const

const program = new Command('packhorse').description(
  'Self-hosted Git + LFS hub for models, datasets, spaces and code',
)

program
  .command('serve', { isDefault: true })
  .description('run the hub; every setting is also an environment variable PACKHORSE_…')
  .option('--host <host>', 'address to listen on')
  .option('--port <port>', 'port to listen on, 0 = any free one')
  .option('--data <dir>', 'data directory')
  .option('--url <url>', 'public base URL put into answers')
  .option('--admin-token <token>', 'secret for the X-Admin-Token header')
  .option('--db <file>', 'database file')
  .option('--log-level <level>', 'fatal, error, warn, info, debug or silent')
  .option('--registration <mode>', 'open, closed or invite')
  .action(serve)

addCommands(program)

async function serve(options: Record<string, string>): Promise<void> {
  const flags = Object.fromEntries(
    Object.entries(SERVE_FLAGS).map(([flag, key]) => [key, options[flag]]),
  )
  const config = readConfig(process.env, flags)
  const log = pino(
    { level: config.logLevel, redact: ['req.headers.authorization', 'req.headers.cookie'] },
    pino.destination(2),
  )
  await mkdir(config.dataDir, { recursive: true })
  const hub = await startHub(config, log)
  const pidFile = join(config.dataDir, 'run', 'hub.pid')
  await writeFile(pidFile, String(process.pid))
  const stopped = new Promise<string>((resolve) => {
    for (const signal of ['SIGTERM', 'SIGINT'] as const) process.once(signal, () => resolve(signal))
  })
  await welcome(hub)
  process.stdout.write(`listening on ${config.publicUrl ?? hub.url}\n`)
  log.info({ url: hub.url, data: config.dataDir, pid: process.pid }, 'listening')
  log.info({ signal: await stopped }, 'stopping')
  await rm(pidFile, { force: true })
  await hub.close()
}

program.parseAsync().catch((err: Error) => {
  process.stderr.write(`packhorse: ${err.message}\n`)
  process.exitCode = 1
})
