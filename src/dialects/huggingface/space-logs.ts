import { setTimeout as sleep } from 'node:timers/promises'
import { abortSignalOf } from '../../http/body.js'
import { lines, newLines } from '../../protocol/log-lines.js'
import type { HfRequest } from './parts.js'

const POLL_MS = 2_000
/** Clients that follow come again by themselves. */
const FOLLOW_MS = 5 * 60_000

/**
 * The runner's log as events `data: {"data": "a line\n", "timestamp": …}`: what there is, and while the Space starts or runs what
 * comes. Clients that only look leave when nothing comes for a while.
 */
export async function spaceLogs({ req, res, parts, opened, params }: HfRequest): Promise<void> {
  const { repo } = opened
  const which = params[0] === 'build' ? 'build' : 'run'
  const signal = abortSignalOf(res)
  // before the first event: clients that do not follow take what is later than the answer's Date for new
  const begun = new Date()
  let log = await parts.spaces.logs(repo, which, signal)
  res.set({ 'Content-Type': 'text/event-stream; charset=utf-8', 'Cache-Control': 'no-cache' })
  res.status(200)
  if (req.method === 'HEAD' || !log) {
    res.end()
    return
  }
  let before = log.text
  await send(lines(before), begun)
  const end = begun.getTime() + FOLLOW_MS
  while (log?.live && Date.now() < end) {
    const waited = await sleep(POLL_MS, true, { signal }).catch(() => false)
    if (!waited) return
    log = await parts.spaces.logs(repo, which, signal)
    await send(newLines(before, log?.text ?? ''), new Date())
    before = log?.text ?? ''
  }
  res.end()

  async function send(texts: readonly string[], at: Date): Promise<void> {
    const timestamp = at.toISOString()
    for (const data of texts) {
      if (signal.aborted) return
      if (!res.write(`data: ${JSON.stringify({ data, timestamp })}\n\n`))
        await new Promise<void>((resolve) => {
          res.once('drain', resolve)
          res.once('close', resolve)
        })
    }
  }
}
