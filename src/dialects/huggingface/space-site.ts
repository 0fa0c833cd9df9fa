import type { Request, Router } from 'express'
import { requireUser } from '../../domain/access/access.js'
import { HubError } from '../../domain/errors.js'
import { SPACE_HARDWARE } from '../../domain/spaces/space-rules.js'
import { callerOf } from '../../http/caller.js'
import { fieldsOf, only } from './fields.js'
import { boolParam, listParam, textParam } from './params.js'
import type { HfParts } from './parts.js'
import { toRuntime } from './space-shapes.js'

const MAX_FOUND = 50

/** What huggingface_hub 2.4.0 asks about Spaces in general. */
export function spaceSiteRoutes(router: Router, parts: HfParts): void {
  // flavors are names here: what is behind one, and what it costs, the runner's operator knows
  router.get('/api/spaces/hardware', (_req, res) => {
    res.json(
      SPACE_HARDWARE.map((name) => ({
        name,
        prettyName: name,
        cpu: 'as the runner gives',
        ram: 'as the runner gives',
        accelerator: null,
        unitCostMicroUSD: 0,
        unitCostUSD: 0,
        unitLabel: 'minute',
      })),
    )
  })
  router.get('/api/spaces/templates', (_req, res) => {
    res.json({ templates: [] })
  })
  // no ZeroGPU is here, so nobody has any of it
  router.get('/api/spaces/zero-gpu/quota', (req, res) => {
    requireUser(callerOf(req))
    res.json({ base: 0, current: 0 })
  })
  router.get('/api/spaces/semantic-search', async (req, res) => {
    res.json(await search(parts, req))
  })
}

/** By words in the name, not by meaning: no embeddings are made here. */
async function search(parts: HfParts, req: Request) {
  const words = (textParam(req, 'q') ?? '').split(/\s+/).filter((it) => it !== '')
  if (words.length === 0) throw new HubError('invalid_input', '"q" is missing.')
  const sdks = listParam(req, 'sdk')
  const all = boolParam(req, 'includeNonRunning') ?? false
  const found = await parts.stores.cards.search({
    kind: 'space',
    search: words,
    tags: listParam(req, 'filter'),
    visibleTo: parts.access.visibleTo(callerOf(req)),
    sort: 'trendingScore',
    order: 'desc',
    limit: MAX_FOUND,
    withCards: true,
  })
  const shown = []
  for (const it of found) {
    const runtime = await parts.spaces.runtime(it.repo)
    if (!all && runtime.stage !== 'RUNNING') continue
    const fields = fieldsOf({ ...it, sha: it.repo.headOid, runtime: toRuntime(runtime, 'read') })
    if (sdks.length > 0 && !sdks.includes(String(fields.sdk))) continue
    shown.push({ ...only(fields, SHOWN), title: fields.title ?? it.repo.name })
  }
  return shown
}

const SHOWN = new Set('author title sdk likes private tags runtime trendingScore'.split(' '))
