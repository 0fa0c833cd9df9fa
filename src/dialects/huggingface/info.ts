import { factsOf } from '../../domain/cards/tags.js'
import type { FileShape } from '../../domain/content/encoded-files.js'
import type { GitOid, Repo } from '../../domain/types.js'
import { streamJson } from '../../http/send-json.js'
import { repoUrlPath } from '../../protocol/repo-path.js'
import { readExpand } from './expand.js'
import { fieldsOf, only } from './fields.js'
import { boolParam } from './params.js'
import type { HfParts, HfRequest, RepoRoute } from './parts.js'
import { readRevision } from './revision-path.js'
import { SIBLINGS, SIBLINGS_WITH_BLOBS } from './shapes.js'
import { toRuntime } from './space-shapes.js'

/** Left out of the usual answer, as on the Hub: only for those who ask by `expand`. */
const ON_REQUEST = ['downloadsAllTime', 'mainSize', 'trendingScore', 'xetEnabled']

/** GET {repo} and {repo}/revision/{rev} (huggingface-wire C3). */
export const infoRoutes: readonly RepoRoute[] = [
  { method: 'GET', path: /^$/, right: 'read', handle: (it) => info(it, 'HEAD') },
  {
    method: 'GET',
    path: /^revision\/(.+)$/s,
    right: 'read',
    handle: (it) => info(it, it.params[0] ?? ''),
  },
]

async function info(it: HfRequest, revision: string): Promise<void> {
  const { parts, req, res, opened } = it
  // a push that the database has not heard of yet (made while no hub ran) is seen from here on
  const repo = await parts.recorder.sync(opened.repo)
  const expand = readExpand(req, repo.kind)
  const commit = await readRevision(parts, repo, revision)
  const all = await fieldsAt(parts, repo, commit)
  if (repo.kind === 'space' && (!expand || expand.has('runtime'))) {
    const runtime = await parts.spaces.runtime(repo)
    all.runtime = toRuntime(runtime, opened.right)
    // where it is looked at: its page here, which leads on where pages have a host name of their own
    all.host = runtime.url ?? `${parts.baseUrl(req)}${repoUrlPath(repo)}`
  }
  const fields = expand ? only(all, expand) : usual(all, it)
  if (!expand && it.caller.user) fields.storage = await parts.quotas.storageBlock(repo)
  const shape = boolParam(req, 'blobs') ? SIBLINGS_WITH_BLOBS : SIBLINGS
  const siblings =
    !expand || expand.has('siblings') ? siblingsOf(parts, repo, commit, shape) : undefined
  await streamJson(res, withSiblings(fields, siblings))
}

function usual(all: Record<string, unknown>, { req }: HfRequest): Record<string, unknown> {
  const fields = { ...all }
  for (const key of ON_REQUEST) delete fields[key]
  if (boolParam(req, 'securityStatus'))
    // nothing is scanned here, which is what this says
    fields.securityRepoStatus = { scansDone: false, filesWithIssues: [] }
  return fields
}

async function fieldsAt(
  parts: HfParts,
  repo: Repo,
  commit: GitOid | null,
): Promise<Record<string, unknown>> {
  if (commit === null)
    return fieldsOf({ repo, sha: null, tags: [], pipelineTag: undefined, libraryName: undefined })
  const card = await parts.cards.at(repo, commit)
  const facts = factsOf(repo.kind, card)
  const lastModified =
    commit === repo.headOid
      ? repo.headAt
      : (await parts.git.readCommit(repo.id, commit)).committer.at
  return fieldsOf({
    repo,
    card,
    sha: commit,
    ...facts,
    tags: facts.tags.filter((it) => !it.hidden).map((it) => it.name),
    ...(lastModified ? { lastModified } : {}),
  })
}

async function* siblingsOf(
  parts: HfParts,
  repo: Repo,
  commit: GitOid | null,
  shape: FileShape,
): AsyncGenerator<Buffer> {
  if (commit !== null) yield* parts.contents.encodedFiles(repo, commit, shape)
}

/** `{…fields, "siblings": […]}` in pieces; `siblings` is the inside of the array. */
export async function* withSiblings(
  fields: Record<string, unknown>,
  siblings: AsyncIterable<Buffer> | undefined,
): AsyncGenerator<string | Buffer> {
  const text = JSON.stringify(fields)
  if (!siblings) {
    yield text
    return
  }
  // not before the first of them is there: an error is then still an ordinary answer
  let start = `${text.slice(0, -1)},"siblings":[`
  for await (const piece of siblings) {
    if (start !== '') yield start
    start = ''
    yield piece
  }
  yield `${start}]}`
}
