import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { setTimeout as sleep } from 'node:timers/promises'
import { HubError } from '../../domain/errors.js'
import { abortSignalOf } from '../../http/body.js'
import { ignoreClientGone } from '../../http/send-bytes.js'
import { lines, newLines } from '../../protocol/log-lines.js'
import type { HfParts, HfRequest } from './parts.js'

const POLL_MS = 2_000
/** What a log asks for: applications say more there than their pages show. */
export const LOG_RIGHT = 'write'
/** Clients that follow come again by themselves. */
const FOLLOW_MS = 5 * 60_000

type Log = Awaited<ReturnType<HfParts['spaces']['logs']>>

/**
 * The runner's log as events `data: {"data": "a line\n", "timestamp": …}`: what there is, and while the Space starts or runs what
 * comes, for as long as the caller may read it. Clients that only look leave when nothing comes for a while.
 */
export async function spaceLogs(request: HfRequest): Promise<void> {
  const { req, res, parts, opened, params } = request
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
  const events = follow(request, which, { first, begun, signal })
  await pipeline(Readable.from(events), res, { signal }).catch(ignoreClientGone)
}

async function* follow(
  request: HfRequest,
  which: 'build' | 'run',
  { first, begun, signal }: { first: NonNullable<Log>; begun: Date; signal: AbortSignal },
): AsyncGenerator<string> {
  const { parts, opened } = request
  yield* toEvents(lines(first.text), begun)
  const end = begun.getTime() + FOLLOW_MS
  for (let log: Log = first; log?.live && Date.now() < end; ) {
    await sleep(POLL_MS, undefined, { signal })
    if (!(await mayStillRead(request))) return
    const before: NonNullable<Log> = log
    // a runner that fails or is busy now may answer at the next round
    log = await parts.spaces.logs(opened.repo, which, signal).catch(() => before)
    yield* toEvents(newLines(before.text, log?.text ?? ''), new Date())
  }
}

/** Tokens end, rights are taken away and Spaces become others' while somebody follows. */
async function mayStillRead({ parts, caller, opened }: HfRequest): Promise<boolean> {
  const now = await parts.login.again(caller)
  if (!now) return false
  const { kind, namespace, name } = opened.repo
  try {
    const found = await parts.access.open(now, { kind, namespace, name }, LOG_RIGHT)
    return found.repo.id === opened.repo.id
  } catch (err) {
    if (err instanceof HubError && err.code !== 'internal') return false
    throw err
  }
}

function* toEvents(texts: readonly string[], at: Date): Generator<string> {
  const timestamp = at.toISOString()
  for (const data of texts) yield `data: ${JSON.stringify({ data, timestamp })}\n\n`
}
