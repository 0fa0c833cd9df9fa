import type { Router } from 'express'
import { z } from 'zod'
import type { Visibility } from '../../domain/types.js'
import { check, readJson } from '../../http/body.js'
import { callerOf } from '../../http/caller.js'
import { parseKind } from '../../protocol/repo-path.js'
import type { HfParts, HfRequest, RepoRoute } from './parts.js'

const MAX_BODY = 1024 * 1024

const Body = z.object({
  private: z.boolean().nullish(),
  visibility: z.enum(['public', 'private', 'protected', 'internal']).nullish(),
  gated: z.union([z.literal(false), z.enum(['auto', 'manual'])]).nullish(),
  description: z.string().max(10_000).nullish(),
  /** Ours. */
  default_branch: z.string().nullish(),
})

/** Changing what a repository is needs more than pushing to it. */
export const settingsRoutes: readonly RepoRoute[] = [
  { method: 'PUT', path: /^settings$/, right: 'admin', handle: changeSettings },
]

/** PUT /api/repos/{type}/{ns}/{name}/settings of seed 001, the type singular or plural. */
export function oldSettingsRoute(router: Router, parts: HfParts): void {
  router.put('/api/repos/:type/:namespace/:name/settings', async (req, res, next) => {
    const { type, namespace, name } = req.params
    const kind = parseKind(type)
    if (!kind) return next()
    const caller = callerOf(req)
    const opened = await parts.access.open(caller, { kind, namespace, name }, 'admin')
    await changeSettings({ req, res, parts, caller, opened })
  })
}

async function changeSettings(
  it: Pick<HfRequest, 'req' | 'res' | 'parts' | 'caller' | 'opened'>,
): Promise<void> {
  const { req, res, parts, caller, opened } = it
  const body = check(Body, await readJson(req, MAX_BODY))
  const gate = body.gated === false ? 'none' : body.gated
  const repo = await parts.registry.changeSettings(
    opened.repo,
    {
      visibility: visibilityOf(body),
      gate: gate ?? undefined,
      description: body.description ?? undefined,
      defaultBranch: body.default_branch ?? undefined,
    },
    { caller, dialect: 'huggingface' },
  )
  res.json({
    success: true,
    private: repo.visibility !== 'public',
    visibility: repo.visibility,
    gated: repo.gate === 'none' ? false : repo.gate,
  })
}

/** `protected` spaces hide their files: the nearest here is private. */
export function visibilityOf(body: {
  private?: boolean | null | undefined
  visibility?: 'public' | 'private' | 'protected' | 'internal' | null | undefined
}): Visibility | undefined {
  if (body.visibility === 'protected') return 'private'
  if (body.visibility) return body.visibility
  if (body.private === null || body.private === undefined) return undefined
  return body.private ? 'private' : 'public'
}
