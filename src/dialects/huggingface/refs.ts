import { boolParam } from './params.js'
import type { HfRequest } from './parts.js'

/** GET refs[?include_prs=1]: branches, tags, conversions, and the pull requests where asked for. */
export async function refs({ parts, req, res, opened }: HfRequest): Promise<void> {
  const { repo } = opened
  const snapshot = await parts.git.snapshot(repo.id)
  const peeled = await parts.git.peel(repo.id, snapshot)
  const below = (prefix: string) =>
    snapshot.refs
      .filter((it) => it.name.startsWith(prefix))
      .map((it) => ({
        name: it.name.slice(prefix.length),
        ref: it.name,
        targetCommit: peeled.get(it.name) ?? it.oid,
      }))
  const isDefault = (it: { name: string }) => it.name === snapshot.defaultBranch
  const branches = below('refs/heads/')
  res.json({
    branches: [...branches.filter(isDefault), ...branches.filter((it) => !isDefault(it))],
    converts: below('refs/convert/'),
    tags: below('refs/tags/'),
    ...(boolParam(req, 'include_prs') ? { pullRequests: below('refs/pr/') } : {}),
  })
}
