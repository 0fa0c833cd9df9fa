import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Repo } from '../../domain/types.js'
import { abortSignalOf } from '../../http/body.js'
import { ignoreClientGone } from '../../http/send-bytes.js'
import { lines, newLines } from '../../protocol/log-lines.js'
import type { HfParts, HfRequest } from './parts.js'

const POLL_MS = 2_000
/** Clients that follow come again by themselves. */
const FOLLOW_MS = 5 * 60_000

type Log = Awaited<ReturnType<HfParts['spaces']['logs']>>

/**
 * The runner's log as events `data: {"data": "a line\n", "timestamp": …}`: what there is, and while the Space starts or runs what
 * comes. Clients that only look leave when nothing comes for a while.
 */
export async function spaceLogs({ req, res, parts, opened, params }: HfRequest): Promise<void> {
  const which = params[0] === 'build' ? 'build' : 'run'
  const signal = abortSignalOf(res)
  // before the first event: clients that do not follow take what is later than the answer's Date for new
  const begun = new Date()
  const first = await parts.spaces.logs(opened.repo, which, signal)
  res.set({ 'Content-Type': 'text/event-stream; charset=utf-8', 'Cache-Control': 'no-cache' })
  if (req.method === 'HEAD' || !first) {
    res.end()
    return
  }
  const events = follow(parts, opened.repo, which, { first, begun, signal })
  await pipeline(Readable.from(events), res, { signal }).catch(ignoreClientGone)
}

async function* follow(
  parts: HfParts,
  repo: Repo,
  which: 'build' | 'run',
  { first, begun, signal }: { first: NonNullable<Log>; begun: Date; signal: AbortSignal },
): AsyncGenerator<string> {
  yield* toEvents(lines(first.text), begun)
  const end = begun.getTime() + FOLLOW_MS
  for (let log: Log = first; log?.live && Date.now() < end; ) {
    await sleep(POLL_MS, undefined, { signal })
    const before: NonNullable<Log> = log
    // a runner that fails or is busy now may answer at the next round
    log = await parts.spaces.logs(repo, which, signal).catch(() => before)
    yield* toEvents(newLines(before.text, log?.text ?? ''), new Date())
  }
}

function* toEvents(texts: readonly string[], at: Date): Generator<string> {
  const timestamp = at.toISOString()
  for (const data of texts) yield `data: ${JSON.stringify({ data, timestamp })}\n\n`
}
