#!/usr/bin/env node
import cluster from 'node:cluster'
import { mkdir } from 'node:fs/promises'
import { setFlagsFromString } from 'node:v8'
import { Command, Option } from 'commander'
import { type Logger, pino } from 'pino'
import { type Config, type ConfigSource, readConfig, SETTINGS } from './config/config.js'
import { WorkerSiblings } from './lib/siblings.js'
import { WorkerProcesses } from './lib/worker-processes.js'

interface StopReason {
  readonly reason: string
  readonly exitCode: number
}

/**
 * How much the heap may grow over what was in use at the last full collection before the next one, in percent. By itself
 * V8 goes up to four times as much where the machine has memory to spare: 590 MB for what fits into 260
 * (docs/performance.md). Bytes that come in count as growth until they are let go of, 32 MB at a time: with 50, at rest with
 * a heap of 34 MB, uploads went from one full collection to the next (23 for each GB, 1.2 s of processor time; with 100: 1).
 */
const HEAP_GROWTH_PERCENT = 100

/** What closing takes beside the requests in flight. */
const STOP_SPARE_MS = 15_000

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

// the process that only starts workers does without the hub itself
if (process.argv[2] !== 'serve') (await import('./commands.js')).addCommands(program)

async function serve(_options: unknown, command: Command): Promise<void> {
  setFlagsFromString(`--heap-growing-percent=${HEAP_GROWTH_PERCENT}`)
  const config = readConfig(process.env, flagsOf(command))
  const log = openLog(config.logLevel)
  await mkdir(config.dataDir, { recursive: true })
  if (cluster.isPrimary && config.unknown.length > 0)
    log.warn({ names: config.unknown }, 'unknown settings')
  if (cluster.isPrimary && config.workers > 1) return serveByWorkers(config, log)
  return serveHere(config, log)
}

/** The hub in this process, which may be one of several workers. */
async function serveHere(config: Config, log: Logger): Promise<void> {
  const [{ startHub }, { welcome }] = await Promise.all([
    import('./hub.js'),
    import('./welcome.js'),
  ])
  const stopped = stopReason(log)
  let stop: () => void = () => undefined
  const asked = new Promise<StopReason>((resolve) => {
    stop = () => resolve({ reason: 'the primary process stops', exitCode: 0 })
  })
  const siblings = cluster.isWorker ? new WorkerSiblings(stop) : undefined
  // the first one, and whoever takes a dead one's place
  const id = cluster.worker?.id ?? 1
  const sweeps = id === 1 || id > config.workers
  const hub = await startHub(config, log, siblings ? { siblings, sweeps } : { sweeps })
  if (id === 1) await welcome(hub)
  if (siblings) siblings.ready(hub.url)
  else process.stdout.write(`listening on ${hub.url}\n`)
  log.info({ url: hub.url, data: config.dataDir, pid: process.pid }, 'listening')
  const { reason, exitCode } = await Promise.race([stopped, asked])
  log.info({ reason }, 'stopping')
  await hub.close()
  log.info('stopped')
  // a job that was cut off may still hold a child process
  process.exit(exitCode)
}

async function serveByWorkers(config: Config, log: Logger): Promise<void> {
  const stopped = stopReason(log)
  const workers = new WorkerProcesses({
    count: config.workers,
    stopMs: config.shutdownMs + STOP_SPARE_MS,
    onExit: (facts) => log.error(facts, 'a worker process ended'),
  })
  const started = workers.start()
  const failed = started.then(
    (url) => {
      process.stdout.write(`listening on ${url}\n`)
      log.info({ url, workers: config.workers, pid: process.pid }, 'listening')
      return stopped
    },
    (err: Error): StopReason => ({ reason: err.message, exitCode: 1 }),
  )
  const { reason, exitCode } = await Promise.race([stopped, failed])
  log.info({ reason }, 'stopping')
  await workers.stop()
  log.info('stopped')
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
function stopReason(log: Logger): Promise<StopReason> {
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
