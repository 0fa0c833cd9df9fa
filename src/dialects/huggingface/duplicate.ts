import { z } from 'zod'
import { HubError } from '../../domain/errors.js'
import { SpaceFields, toSpaceOrder } from '../../domain/spaces/space-fields.js'
import type { Repo } from '../../domain/types.js'
import { abortSignalOf, check, readJson } from '../../http/body.js'
import { repoUrlPath } from '../../protocol/repo-path.js'
import type { HfRequest, RepoRoute } from './parts.js'
import { visibilityOf } from './settings.js'

const MAX_BODY = 1024 * 1024

const Body = z.object({
  repository: z.string().regex(/^[^/]+\/[^/]+$/, 'must have the form namespace/name'),
  private: z.boolean().nullish(),
  visibility: z.enum(['public', 'private', 'protected', 'internal']).nullish(),
  ...SpaceFields,
})

/** A copy on the server (huggingface-wire B6). A Space's variables come along, its secrets and hardware do not. */
export const duplicateRoutes: readonly RepoRoute[] = [
  { method: 'POST', path: /^duplicate$/, right: 'read', handle: duplicate },
]

async function duplicate(it: HfRequest): Promise<void> {
  const { req, res, parts, caller, opened } = it
  const body = check(Body, await readJson(req, MAX_BODY))
  await parts.access.requireContent(caller, opened)
  const [namespace = '', name = ''] = body.repository.split('/')
  const visibility = visibilityOf(body) ?? opened.repo.visibility
  const order = await spaceOrder(it, body)
  const urlOf = (repo: Repo) => `${parts.baseUrl(req)}${repoUrlPath(repo)}`
  try {
    const copy = await parts.duplicator.duplicate(
      opened.repo,
      { namespace, name, visibility, ...order },
      { caller, dialect: 'huggingface' },
      abortSignalOf(res),
    )
    res.json({ url: urlOf(copy), id: `${copy.namespace}/${copy.name}` })
  } catch (err) {
    if (!(err instanceof HubError && err.code === 'repo_exists')) throw err
    // clients with exist_ok read `url` off the refusal (huggingface-wire 0.1, rule 5)
    const other = err.facts.other as Repo | undefined
    throw new HubError(err.code, err.message, other ? { url: urlOf(other) } : {})
  }
}

/** Of a Space: checked now, stored before anybody sees the copy. */
async function spaceOrder(it: HfRequest, body: z.output<typeof Body>) {
  const { parts, opened, caller } = it
  if (opened.repo.kind !== 'space') return {}
  const order = toSpaceOrder(body)
  const config = await parts.spaces.config(opened.repo)
  await parts.spaces.check(caller, order, 'sdk' in config ? config.sdk : undefined)
  return { prepare: (copy: Repo) => parts.spaces.begin(copy, order, caller, opened.repo) }
}
