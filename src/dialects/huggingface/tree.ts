import { z } from 'zod'
import type { Entry } from '../../domain/content/contents.js'
import { HubError } from '../../domain/errors.js'
import type { GitOid, Repo } from '../../domain/types.js'
import { noteRead } from '../../http/audit.js'
import { check, readBody } from '../../http/body.js'
import { trimSlashes } from '../../lib/trim-ends.js'
import { boolParam, decodeCursor, encodeCursor, intParam, linkNext, textParam } from './params.js'
import type { HfParts, HfRequest } from './parts.js'
import { decodeLoosely, readRevision, readRevisionPath } from './revision-path.js'
import { toLastCommit, toTreeEntry } from './shapes.js'

const PAGE = 1_000
const EXPANDED_PAGE = 50
const MAX_PATHS = 1_000
const MAX_BODY = 8 * 1024 * 1024
const LAST_COMMITS_MS = 5_000

/** GET tree/{rev}[/{path}] (huggingface-wire B2.1). */
export async function tree(it: HfRequest): Promise<void> {
  const { parts, req, res, opened, rest } = it
  const { repo } = opened
  const encoded = rest.slice('tree/'.length).replace(/\/$/, '')
  const at = await readRevisionPath(parts, repo, encoded).catch((err) =>
    emptyTree(it, encoded, err),
  )
  if (!at) {
    res.json([])
    return
  }
  const expand = boolParam(req, 'expand') ?? false
  const max = expand ? EXPANDED_PAGE : PAGE
  const page = await parts.contents.page(repo, at.commit, at.path.replace(/\/$/, ''), {
    recursive: boolParam(req, 'recursive') ?? false,
    after: check(z.string().optional(), decodeCursor(textParam(req, 'cursor'))),
    limit: intParam(req, 'limit', { min: 1, max }) ?? max,
  })
  res.set('X-Repo-Commit', at.commit)
  if (page.next !== undefined) {
    const cursor = encodeCursor(page.next)
    res.set('Link', linkNext(parts.baseUrl(req), req, { cursor }))
  }
  res.json(await toEntries(parts, repo, at.commit, page.entries, expand))
}

/** An empty repository lists as an empty one on its default branch. */
async function emptyTree({ parts, opened }: HfRequest, encoded: string, err: unknown) {
  if (!(err instanceof HubError && err.code === 'revision_not_found')) throw err
  if ((await readRevision(parts, opened.repo, decodeLoosely(encoded))) === null) return undefined
  throw err
}

const PathsBody = z.object({
  paths: z.union([z.string().transform((it) => [it]), z.array(z.string())]).default([]),
  expand: z
    .union([z.boolean(), z.string().transform((it) => /^(true|1)$/i.test(it))])
    .default(false),
})

/** POST paths-info/{rev}, as a form (Python) or JSON (JavaScript). Unknown paths are left out. */
export async function pathsInfo(it: HfRequest): Promise<void> {
  noteRead(it.req)
  const { parts, res, opened, params } = it
  const { repo } = opened
  const body = check(PathsBody, await readFormOrJson(it))
  if (body.paths.length > MAX_PATHS)
    throw new HubError('too_large', `At most ${MAX_PATHS} paths can be asked for at once.`)
  const commit = await readRevision(parts, repo, params[0] ?? '')
  const paths = [...new Set(body.paths.map(trimSlashes))]
  const entries = commit === null ? [] : await parts.contents.findMany(repo, commit, paths)
  if (commit) res.set('X-Repo-Commit', commit)
  res.json(commit ? await toEntries(parts, repo, commit, entries, body.expand) : [])
}

async function readFormOrJson({ req }: HfRequest): Promise<unknown> {
  const text = (await readBody(req, MAX_BODY)).toString('utf8')
  if (req.is('application/x-www-form-urlencoded')) {
    const form = new URLSearchParams(text)
    return { paths: form.getAll('paths'), expand: form.get('expand') ?? undefined }
  }
  try {
    return JSON.parse(text === '' ? '{}' : text) as unknown
  } catch {
    throw new HubError('invalid_input', 'The request body is not valid JSON.')
  }
}

async function toEntries(
  parts: HfParts,
  repo: Repo,
  commit: GitOid,
  entries: readonly Entry[],
  expand: boolean,
) {
  const lfsOids = entries.flatMap((it) => (it.type === 'file' && it.lfsOid ? [it.lfsOid] : []))
  const xetHashes = await parts.objects.xetHashes(repo, lfsOids)
  if (!expand) return entries.map((it) => toTreeEntry(it, xetHashes))
  const paths = entries.map((it) => it.path)
  const oids = paths.length
    ? await parts.git.lastCommits(repo.id, commit, paths, LAST_COMMITS_MS)
    : new Map<string, GitOid>()
  const commits = new Map(
    await Promise.all(
      [...new Set(oids.values())].map(
        async (oid) => [oid, toLastCommit(await parts.git.readCommit(repo.id, oid))] as const,
      ),
    ),
  )
  return entries.map((it) => {
    const lastCommit = commits.get(oids.get(it.path) ?? '')
    return {
      ...toTreeEntry(it, xetHashes),
      // files are not scanned here, and null is what clients read as "no verdict"
      ...(it.type === 'file' ? { securityFileStatus: null } : {}),
      ...(lastCommit ? { lastCommit } : {}),
    }
  })
}
