/*
 * npm run test:crash: the real server is killed at random moments under mixed load and must come back whole.
 *   --rounds N     how many (default 50)
 *   --seed S       the same seed gives the same load and moments, as far as time allows (default: random, printed)
 *   --seconds S    longest load before a kill (default 4)
 *   --hub FILE     the built main.js to test (default: dist/main.js, built when older than the sources)
 *   --keep         keep the directory of the run
 * A failing round prints its evidence and keeps the directory; the exit code is 1.
 */
import { spawnSync } from 'node:child_process'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { playRound, type Run, sessionOf, warmUp } from './crash/round.js'
import { type Command, runSubcommand, Server } from './crash/server.js'
import { makeWriters } from './crash/writers/index.js'

const { values } = parseArgs({
  options: {
    rounds: { type: 'string', default: '50' },
    seed: { type: 'string', default: String(Date.now() % 1_000_000) },
    seconds: { type: 'string', default: '4' },
    hub: { type: 'string' },
    keep: { type: 'boolean', default: false },
  },
})
const rounds = Number(values.rounds)
const root = fileURLToPath(new URL('..', import.meta.url))

async function prepare(): Promise<Run> {
  const main = values.hub ? resolve(values.hub) : join(root, 'dist/main.js')
  if (!values.hub) {
    const built = spawnSync(process.execPath, [join(root, 'scripts/start.mjs'), '--help'], {
      stdio: ['ignore', 'ignore', 'inherit'],
    })
    if (built.status !== 0) throw new Error('the build failed')
  }
  const command: Command = [process.execPath, main]
  const dir = await mkdtemp(join(tmpdir(), 'packhorse-crash-'))
  const user = 'crash'
  const made = await runSubcommand(command, join(dir, 'data'), ['user', 'create', user])
  const { code, output } = await runSubcommand(command, join(dir, 'data'), [
    'token',
    'create',
    user,
  ])
  if (made.code !== 0 || code !== 0) throw new Error(`no account: ${made.output}${output}`)
  const seed = Number(values.seed)
  const maxLoadMs = Number(values.seconds) * 1000
  return { command, dir, user, token: output.trim(), seed, maxLoadMs }
}

async function main(): Promise<number> {
  const run = await prepare()
  console.log(`seed ${run.seed}, ${rounds} rounds, ${run.dir}`)
  const first = await Server.start(run.command, join(run.dir, 'data'), join(run.dir, 'server.log'))
  const probe = sessionOf(run, { name: 'probe' }, first, run.seed, new AbortController().signal)
  const writers = await makeWriters(probe)
  await first.stop()
  const unable = await warmUp(run, writers)
  for (const it of unable) console.log(`  ${it}`)
  let failed = unable.length
  for (let round = 1; round <= rounds; round += 1) {
    const { ending, acknowledged, problems } = await playRound(run, round, writers)
    const verdict = problems.length === 0 ? 'ok' : 'FAILED'
    console.log(`round ${round}: ${ending} after ${acknowledged} acknowledged acts: ${verdict}`)
    for (const it of problems) console.log(`  ${it}`)
    if (problems.length === 0) continue
    failed += 1
    console.log(`  again: npm run test:crash -- --seed ${run.seed} --rounds ${round}`)
    console.log(`  evidence: ${run.dir} (data, server.log)`)
    break // what follows a broken state says nothing new
  }
  for (const { name, acknowledged } of writers) {
    console.log(`${name}: ${acknowledged} acknowledged`)
  }
  console.log(failed === 0 ? `${rounds} rounds, every one whole` : 'not whole')
  if (failed === 0 && !values.keep) await rm(run.dir, { recursive: true, force: true })
  return failed === 0 ? 0 : 1
}

process.exit(await main())
