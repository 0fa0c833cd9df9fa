import { requireProposer } from '../../domain/access/access.js'
import { titleFrom } from '../../domain/discussions/texts.js'
import { HubError } from '../../domain/errors.js'
import { abortSignalOf } from '../../http/body.js'
import { Spool } from '../../lib/spool.js'
import { repoUrlPath } from '../../protocol/repo-path.js'
import { type CommitBody, readCommitBody } from './commit-body.js'
import { boolParam } from './params.js'
import type { HfRequest, RepoRoute } from './parts.js'

const DIALECT = 'huggingface'
const SPOOL = { memoryBytes: 16 * 1024 * 1024, pieceBytes: 1024 * 1024 }

export const commitRoutes: readonly RepoRoute[] = [
  // readers may open pull requests and push to their own: the rest is decided by the target
  { method: 'POST', path: /^commit\/([^/]+)$/, right: 'read', handle: commit },
]

async function commit(it: HfRequest): Promise<void> {
  const { req, res, parts, caller, opened, params } = it
  const revision = params[0] ?? ''
  const createPr = boolParam(req, 'create_pr')
  const signal = abortSignalOf(res)
  if (createPr) requireProposer(caller, opened.repo)
  const target = createPr ? undefined : await parts.targets.find(caller, opened, revision)
  const spool = new Spool(parts.spoolDir, SPOOL)
  try {
    const body = await readCommitBody(req, spool, parts.maxCommitBytes)
    const actor = { caller, dialect: DIALECT }
    const { repo } = opened
    const url = `${parts.baseUrl(req)}${repoUrlPath(repo)}`
    if (target) {
      const { oid } = await parts.fileCommits.commit(repo, target, body, actor, signal)
      answer(it, url, oid)
      return
    }
    const { oid, num } = await openWithCommit(it, revision, body, signal)
    answer(it, url, oid, `${url}/discussions/${num}`)
  } finally {
    await spool.close()
  }
}

/** `create_pr=1`: the commit begins a pull request, on the given parent or on the tip of the branch. */
async function openWithCommit(
  { parts, caller, opened: { repo } }: HfRequest,
  revision: string,
  body: CommitBody,
  signal: AbortSignal,
): Promise<{ oid: string; num: number }> {
  const actor = { caller, dialect: DIALECT }
  const start = body.parentCommit
    ? await parts.revisions.read(repo, body.parentCommit.toLowerCase())
    : undefined
  const order = {
    title: titleFrom(body.summary),
    description: body.description,
    status: 'open',
    base: revision,
  } as const
  let oid: string | undefined
  const pull = await parts.pulls.open(repo, order, actor, async ({ headRef }, tip) => {
    if (!headRef) throw new HubError('internal', 'a pull request without a ref')
    const target = { ref: headRef, base: start ?? tip }
    ;({ oid } = await parts.fileCommits.commit(repo, target, body, actor, signal))
  })
  return { oid: oid ?? '', num: pull.num }
}

function answer({ res }: HfRequest, url: string, oid: string, pullRequestUrl?: string): void {
  res.json({
    success: true,
    commitOid: oid,
    commitUrl: `${url}/commit/${oid}`,
    hookOutput: '',
    ...(pullRequestUrl ? { pullRequestUrl } : {}),
  })
}
