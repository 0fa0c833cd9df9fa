import { z } from 'zod'
import { requireProposer } from '../../domain/access/access.js'
import { HubError } from '../../domain/errors.js'
import { noteRead } from '../../http/audit.js'
import { check, readJson } from '../../http/body.js'
import { boolParam } from './params.js'
import type { HfRequest, RepoRoute } from './parts.js'

const MAX_BODY = 16 * 1024 * 1024
const MAX_RULES = 1024 * 1024

const Body = z.object({
  files: z
    .array(
      z.object({
        path: z.string(),
        size: z.number().int().min(0),
        sample: z.base64().max(4096).nullish(),
      }),
    )
    .max(10_000),
  gitIgnore: z.string().max(MAX_RULES).nullish(),
  gitAttributes: z.string().max(MAX_RULES).nullish(),
})

export const preuploadRoutes: readonly RepoRoute[] = [
  // 0.28's upload_large_folder does not quote the revision: slashes may be raw (huggingface-wire B4)
  { method: 'POST', path: /^preupload\/(.+)$/, right: 'read', handle: preupload },
]

async function preupload(it: HfRequest): Promise<void> {
  noteRead(it.req)
  const { req, res, parts, caller, opened, params } = it
  const revision = params[0] ?? ''
  if (boolParam(req, 'create_pr')) requireProposer(caller, opened.repo)
  else await parts.targets.find(caller, opened, revision)
  const body = check(Body, await readJson(req, MAX_BODY))
  const modes = await parts.uploadModes.decide(
    opened.repo,
    await tipOf(it, revision),
    body.files.map(({ path, size, sample }) => ({
      path,
      size,
      sample: Buffer.from(sample ?? '', 'base64'),
    })),
    { attributes: body.gitAttributes ?? undefined, ignore: body.gitIgnore ?? undefined },
  )
  res.json({
    files: modes.map(({ path, mode, ignored, oid }) => ({
      path,
      uploadMode: mode,
      shouldIgnore: ignored,
      ...(oid ? { oid } : {}),
    })),
  })
}

/** null: the first commit is still to come. */
async function tipOf({ parts, opened }: HfRequest, revision: string): Promise<string | null> {
  const found = await parts.revisions.find(opened.repo, revision)
  if (found) return found
  const { headOid, defaultBranch } = await parts.git.snapshot(opened.repo.id)
  if (!headOid && (revision === 'HEAD' || revision === defaultBranch)) return null
  throw new HubError('revision_not_found', `Invalid rev id: ${revision.slice(0, 200)}`)
}
