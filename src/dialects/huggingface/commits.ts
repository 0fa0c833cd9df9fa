import { z } from 'zod'
import type { CommitInfo } from '../../domain/ports.js'
import type { GitOid, Repo } from '../../domain/types.js'
import { check } from '../../http/body.js'
import { decodeCursor, encodeCursor, intParam, linkNext, listParam, textParam } from './params.js'
import type { HfParts, HfRequest } from './parts.js'
import { readRevision } from './revision-path.js'
import { splitMessage } from './shapes.js'

const PAGE = 50
const MAX_PAGE = 1_000
const MAX_TITLE = 4_000

/** The log from one commit on, so that pages fit together while the branch moves. */
const Cursor = z
  .object({ from: z.string().regex(/^[0-9a-f]{40,64}$/), skip: z.int().min(0) })
  .optional()

/** GET commits/{rev}: newest first, all of them counted in X-Total-Count. */
export async function commits({ parts, req, res, opened, params }: HfRequest): Promise<void> {
  const { repo } = opened
  const cursor = check(Cursor, decodeCursor(textParam(req, 'cursor')))
  const limit = intParam(req, 'limit', { min: 1, max: MAX_PAGE }) ?? PAGE
  const page = intParam(req, 'p', { min: 0, max: 1e9 }) ?? 0
  const start = await readRevision(parts, repo, cursor?.from ?? params[0] ?? '')
  if (start === null) {
    res.set('X-Total-Count', '0').json([])
    return
  }
  const skip = cursor?.skip ?? page * limit
  const found = await parts.git.log(repo.id, start, { skip, limit: limit + 1 })
  res.set('X-Total-Count', String(await countCommits(parts, repo, start)))
  if (found.length > limit) {
    const next = encodeCursor({ from: start, skip: skip + limit })
    res.set('Link', linkNext(parts.baseUrl(req), req, { cursor: next }))
  }
  const formatted = listParam(req, 'expand').includes('formatted')
  const users = new Map<string, string>()
  const keyOf = ({ author }: CommitInfo) => `${author.name} <${author.email}>`
  const shown = found.slice(0, limit)
  for (const it of shown) if (!users.has(keyOf(it))) users.set(keyOf(it), await userOf(parts, it))
  res.json(shown.map((it) => toCommit(it, users.get(keyOf(it)) ?? it.author.name, formatted)))
}

async function countCommits(parts: HfParts, repo: Repo, start: GitOid): Promise<number> {
  return start === repo.headOid ? repo.commitCount : parts.git.countCommits(repo.id, start)
}

/**
 * The account behind a commit, else the name that the commit carries. The address alone does not count: a commit made up
 * with somebody's address must not tell whether there is an account behind it.
 */
async function userOf(parts: HfParts, { author }: CommitInfo): Promise<string> {
  const user = await parts.stores.accounts.findUserByEmail(author.email)
  return user && [user.name, user.fullname].includes(author.name) ? user.name : author.name
}

function toCommit(it: CommitInfo, user: string, formatted: boolean) {
  const { title, body } = splitMessage(it.message)
  return {
    id: it.oid,
    title: title.slice(0, MAX_TITLE),
    message: body,
    authors: [{ user }],
    date: it.author.at,
    ...(formatted ? { formatted: { title: escapeHtml(title), message: escapeHtml(body) } } : {}),
  }
}

function escapeHtml(text: string): string {
  return text.replace(
    /[&<>"']/g,
    (it) => ({ '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;', "'": '&#39;' })[it] ?? it,
  )
}
