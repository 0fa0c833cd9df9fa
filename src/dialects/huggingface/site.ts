import type { Request, Router } from 'express'
import { requireUser } from '../../domain/access/access.js'
import type { TagType } from '../../domain/cards/card.js'
import { HubError } from '../../domain/errors.js'
import { REPO_KINDS, type RepoKind } from '../../domain/types.js'
import { noteRead } from '../../http/audit.js'
import { callerOf } from '../../http/caller.js'
import { fieldsOf } from './fields.js'
import { list } from './list.js'
import { textParam } from './params.js'
import type { HfParts } from './parts.js'

const MAX_TAGS_OF_TYPE = 2_000
const MAX_OWN = 10_000

/** Reading routes that are not about one repository. */
export function siteRoutes(router: Router, parts: HfParts): void {
  for (const kind of REPO_KINDS) {
    router.get(`/api/${kind}s`, (req, res) => list(parts, kind, req, res))
    router.get(`/api/${kind}s-tags-by-type`, async (_req, res) => {
      res.json(await tagsByType(parts, kind))
    })
  }
  router.get('/api/repos/ls', async (req, res) => {
    res.json(await ownRepos(parts, req))
  })
  // asked once per process by clients from 1.20 on; an empty answer is the quickest there is
  router.get('/api/agent-harnesses', (_req, res) => {
    res.json({ standardEnvVars: [], harnesses: {} })
  })
  router.all('/api/telemetry/*topic', (req, res) => {
    noteRead(req)
    res.status(204).end()
  })
}

/** `{type: [{id, label, type}]}`; the names of the types are the Hub's. */
async function tagsByType(parts: HfParts, kind: RepoKind) {
  const byType = await parts.stores.cards.listTags(kind, MAX_TAGS_OF_TYPE)
  const hidden = (type: TagType, tag: string) =>
    tag.startsWith('pipeline_tag:') || tag === 'linked:true' || type === 'model'
  return Object.fromEntries(
    [...byType].map(([type, tags]) => [
      type,
      tags
        .filter((it) => !hidden(type, it))
        .map((id) => ({ id, label: id.slice(id.indexOf(':') + 1), type })),
    ]),
  )
}

/** The oldest listing (seed 001): the caller's own repositories, or an organisation's that the caller may see. */
async function ownRepos(parts: HfParts, req: Request) {
  const caller = callerOf(req)
  const name = textParam(req, 'organization') || requireUser(caller).name
  const namespace = await parts.stores.accounts.findNamespace(name)
  if (!namespace) throw new HubError('account_not_found', `There is no "${name.slice(0, 100)}".`)
  const visibleTo = parts.access.visibleTo(caller)
  const repos = await parts.stores.repos.list({
    namespaceId: namespace.id,
    sort: 'createdAt',
    order: 'desc',
    limit: MAX_OWN,
    ...(visibleTo ? { visibleTo } : {}),
  })
  return repos.map((repo) => {
    const {
      id,
      _id,
      modelId,
      sha,
      lastModified,
      private: hidden,
    } = fieldsOf({
      repo,
      sha: repo.headOid,
      tags: [],
      pipelineTag: undefined,
      libraryName: undefined,
    })
    return { id, _id, modelId: modelId ?? id, type: repo.kind, sha, lastModified, private: hidden }
  })
}
