import { z } from 'zod'
import { HubError } from '../../domain/errors.js'
import type { Actor } from '../../domain/events/events.js'
import { check, readJson } from '../../http/body.js'
import type { HfRequest, RepoRoute } from './parts.js'

const MAX_BODY = 1024 * 1024
const DIALECT = 'huggingface'

const BranchBody = z.object({
  startingPoint: z.string().nullish(),
  emptyBranch: z.boolean().nullish(),
  overwrite: z.boolean().nullish(),
  /** KohakuHub's form: POST branch {branch, revision}. */
  branch: z.string().nullish(),
  revision: z.string().nullish(),
})
const TagBody = z.object({
  tag: z.string(),
  message: z.string().max(100_000).nullish(),
  revision: z.string().nullish(),
})
const SquashBody = z.object({ message: z.string().max(100_000).nullish() })

/** Branches, tags and squashing (huggingface-wire B3, C6.6). */
export const branchRoutes: readonly RepoRoute[] = [
  { method: 'POST', path: /^branch(?:\/(.+))?$/, right: 'write', handle: createBranch },
  { method: 'DELETE', path: /^branch\/(.+)$/, right: 'write', handle: deleteBranch },
  { method: 'POST', path: /^tag(?:\/(.+))?$/, right: 'write', handle: createTag },
  { method: 'DELETE', path: /^tag\/(.+)$/, right: 'write', handle: deleteTag },
  { method: 'POST', path: /^super-squash\/(.+)$/, right: 'write', handle: superSquash },
]

export function actorOf({ caller }: HfRequest): Actor {
  return { caller, dialect: DIALECT }
}

async function createBranch(it: HfRequest): Promise<void> {
  const { req, res, parts, opened, params } = it
  const body = check(BranchBody, await readJson(req, MAX_BODY))
  const name = params[0] || body.branch
  if (!name) throw new HubError('invalid_input', 'The branch needs a name.')
  const options = {
    from: body.startingPoint ?? body.revision ?? undefined,
    empty: body.emptyBranch ?? false,
    overwrite: body.overwrite ?? false,
  }
  await parts.refEdits.createBranch(opened.repo, name, options, actorOf(it))
  res.json({ success: true, message: `Branch '${name}' created` })
}

async function deleteBranch(it: HfRequest): Promise<void> {
  await it.parts.refEdits.deleteBranch(it.opened.repo, it.params[0] ?? '', actorOf(it))
  it.res.json({ success: true, message: 'Branch deleted' })
}

async function createTag(it: HfRequest): Promise<void> {
  const { req, res, parts, opened, params } = it
  const body = check(TagBody, await readJson(req, MAX_BODY))
  const options = {
    at: params[0] || body.revision || 'HEAD',
    message: body.message ?? undefined,
  }
  await parts.refEdits.createTag(opened.repo, body.tag, options, actorOf(it))
  res.json({ success: true, message: `Tag '${body.tag}' created` })
}

async function deleteTag(it: HfRequest): Promise<void> {
  await it.parts.refEdits.deleteTag(it.opened.repo, it.params[0] ?? '', actorOf(it))
  it.res.json({ success: true, message: 'Tag deleted' })
}

async function superSquash(it: HfRequest): Promise<void> {
  const { req, res, parts, opened, params } = it
  const { message } = check(SquashBody, await readJson(req, MAX_BODY))
  const text = message?.trim() || 'Super-squash history'
  const oid = await parts.refEdits.squash(opened.repo, params[0] ?? '', text, actorOf(it))
  res.json({ success: true, commitOid: oid })
}
