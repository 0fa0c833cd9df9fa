import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import { Random } from '../bench/generate/random.js'
import { inspect } from './inspect.js'
import { type Command, Server } from './server.js'
import { Refused, type Session, type Writer } from './session.js'

export interface Run {
  readonly command: Command
  readonly dir: string
  readonly user: string
  readonly token: string
  readonly seed: number
  /** Longest load before the kill. */
  readonly maxLoadMs: number
}

export interface RoundResult {
  readonly ending: string
  readonly acknowledged: number
  readonly problems: string[]
}

const dataOf = (run: Run) => join(run.dir, 'data')
const logOf = (run: Run) => join(run.dir, 'server.log')

/** Every writer acts a few times, undisturbed: what cannot work at all is found out here, and nobody starts from nothing. */
export async function warmUp(run: Run, writers: readonly Writer[]): Promise<string[]> {
  const server = await Server.start(run.command, dataOf(run), logOf(run))
  const problems: string[] = []
  try {
    for (const [at, writer] of writers.entries()) {
      const it = sessionOf(run, writer, server, run.seed + at, new AbortController().signal)
      await mkdir(it.workDir, { recursive: true })
      for (let act = 0; act < 2; act += 1)
        await writer.act(it).catch((err) => problems.push(`${writer.name}: ${err.message}`))
      problems.push(...(await writer.verify(it)))
    }
    await server.stop()
  } finally {
    server.destroy()
  }
  return problems
}

/** Load, a kill at a random moment, a new start, a look at everything. */
export async function playRound(
  run: Run,
  round: number,
  writers: readonly Writer[],
): Promise<RoundResult> {
  const random = new Random(run.seed * 1_000 + round)
  const before = countAcknowledged(writers)
  const server = await Server.start(run.command, dataOf(run), logOf(run))
  const load = new AbortController()
  const loads = writers.map((writer, at) =>
    keepWriting(writer, sessionOf(run, writer, server, random.next() + at, load.signal), server),
  )
  await new Promise((resolve) => setTimeout(resolve, 100 + random.below(run.maxLoadMs)))
  const { ending, problems } = await endServer(server, random, load)
  for (const found of await Promise.all(loads)) problems.push(...found)
  server.destroy()
  // some starts do not get far either
  if (random.below(4) === 0)
    await Server.stumble(run.command, dataOf(run), logOf(run), random.below(1_200))
  problems.push(...(await verify(run, writers, random)))
  return { ending, acknowledged: countAcknowledged(writers) - before, problems }
}

async function endServer(server: Server, random: Random, load: AbortController) {
  const problems: string[] = []
  const way = random.below(10)
  if (way === 0) {
    // in order: every request that was accepted is answered, so nothing may stay open
    load.abort()
    const code = await server.stop()
    if (code !== 0) problems.push(`SIGTERM ended it with ${code}`)
    return { ending: 'SIGTERM', problems }
  }
  const whom = way <= 3 ? 'server' : 'group'
  await server.kill(whom)
  load.abort()
  return { ending: whom === 'group' ? 'SIGKILL' : 'SIGKILL, gits left alive', problems }
}

/** Until the load ends. What fails while the server is there, and is no lock of a moment, is a problem. */
async function keepWriting(writer: Writer, it: Session, server: Server): Promise<string[]> {
  const problems: string[] = []
  await mkdir(it.workDir, { recursive: true })
  while (!it.signal.aborted && server.running) {
    try {
      await writer.act(it)
    } catch (err) {
      const passing = err instanceof Refused && [409, 423, 503].includes(err.status)
      // the kill may come a moment before its consequence is told apart from a fault
      await new Promise((resolve) => setTimeout(resolve, 100))
      if (!server.running || it.signal.aborted || passing) break
      problems.push(`${writer.name}: ${(err as Error).message}`)
      break
    }
  }
  return problems
}

async function verify(run: Run, writers: readonly Writer[], random: Random): Promise<string[]> {
  const server = await Server.start(run.command, dataOf(run), logOf(run))
  const problems: string[] = []
  try {
    const ready = await fetch(`${server.url}/readyz`)
    if (ready.status !== 200) problems.push(`/readyz answers ${ready.status}`)
    for (const writer of writers) {
      const it = sessionOf(run, writer, server, random.next(), AbortSignal.timeout(600_000))
      await mkdir(it.workDir, { recursive: true })
      problems.push(
        ...(await writer
          .verify(it)
          .catch((err: Error) => [`${writer.name}: cannot be verified: ${err.message}`])),
      )
    }
    problems.push(...(await inspect(run.command, dataOf(run))))
    const code = await server.stop()
    if (code !== 0) problems.push(`SIGTERM after the check ended it with ${code}`)
  } finally {
    server.destroy()
  }
  return problems
}

export function sessionOf(
  run: Run,
  writer: { readonly name: string },
  server: Server,
  seed: number,
  signal: AbortSignal,
): Session {
  return {
    url: server.url,
    user: run.user,
    token: run.token,
    dataDir: dataOf(run),
    command: run.command,
    random: new Random(seed),
    workDir: join(run.dir, 'work', writer.name.replaceAll(' ', '-')),
    signal,
  }
}

function countAcknowledged(writers: readonly Writer[]): number {
  return writers.reduce((sum, it) => sum + it.acknowledged, 0)
}
