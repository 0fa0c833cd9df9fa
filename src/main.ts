#!/usr/bin/env node
import { mkdir } from 'node:fs/promises'
import { Command, Option } from 'commander'
import { type Logger, pino } from 'pino'
import { addCommands } from './commands.js'
import { type ConfigSource, readConfig, SETTINGS } from './config/config.js'
import { startHub } from './hub.js'
import { welcome } from './welcome.js'

// whoever reads our output may go away before us
for (const stream of [process.stdout, process.stderr]) stream.on('error', () => undefined)

const program = new Command('packhorse')
  .description('Self-hosted Git + LFS hub for models, datasets, spaces and code')
  .showHelpAfterError('(add --help for what is possible)')

const serveCommand = program
  .command('serve')
  .description('run the hub; every flag is also an environment variable, flags win')
  .action(serve)
for (const { flag, variable, description, isSwitch } of SETTINGS)
  serveCommand.addOption(
    new Option(`${flag} ${isSwitch ? '[yes|no]' : '<value>'}`, `${description} (${variable})`),
  )

addCommands(program)

async function serve(_options: unknown, command: Command): Promise<void> {
  const config = readConfig(process.env, flagsOf(command))
  const log = openLog(config.logLevel)
  await mkdir(config.dataDir, { recursive: true })
  if (config.unknown.length > 0) log.warn({ names: config.unknown }, 'unknown settings')
  const stopped = stopReason(log)
  const hub = await startHub(config, log)
  await welcome(hub)
  process.stdout.write(`listening on ${hub.url}\n`)
  log.info({ url: hub.url, data: config.dataDir, pid: process.pid }, 'listening')
  const { reason, exitCode } = await stopped
  log.info({ reason }, 'stopping')
  await hub.close()
  log.info('stopped')
  // a job that was cut off may still hold a child process
  process.exit(exitCode)
}

function flagsOf(command: Command): ConfigSource {
  const flags: Record<string, string> = {}
  for (const option of command.options) {
    const value: unknown = command.getOptionValue(option.attributeName())
    const key = option.name().toUpperCase().replaceAll('-', '_')
    if (value !== undefined) flags[key] = value === true ? 'yes' : String(value)
  }
  return flags
}

function openLog(level: string): Logger {
  const destination = pino.destination(2)
  destination.on('error', () => undefined)
  return pino({ level }, destination)
}

/**
 * Resolves at the first reason to stop. A rejection nobody handled belongs to one request and is only logged; after an
 * exception outside every handler nothing is known about the state: running requests end, then the process does, and
 * whoever supervises it starts it again. A second signal ends it at once.
 */
function stopReason(log: Logger): Promise<{ reason: string; exitCode: number }> {
  process.on('unhandledRejection', (err) => log.error({ err }, 'unhandled rejection'))
  return new Promise((resolve) => {
    let signals = 0
    for (const signal of ['SIGTERM', 'SIGINT'] as const)
      process.on(signal, () => {
        signals += 1
        if (signals > 1) process.exit(signal === 'SIGINT' ? 130 : 143)
        resolve({ reason: signal, exitCode: 0 })
      })
    process.on('uncaughtException', (err) => {
      log.fatal({ err }, 'uncaught exception')
      resolve({ reason: 'uncaught exception', exitCode: 1 })
    })
  })
}

program.parseAsync().catch((err: Error) => {
  process.stderr.write(`packhorse: ${err.message}\n`)
  process.exit(1)
})
