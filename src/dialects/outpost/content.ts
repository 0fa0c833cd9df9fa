import { HubError } from '../../domain/errors.js'
import type { CommitInfo, TreeEntry } from '../../domain/ports.js'
import type { LfsPointer } from '../../domain/types.js'
import { trimSlashes } from '../../lib/trim-ends.js'
import { signDownload } from './download.js'
import { pagination, readPage, seconds } from './input.js'
import type { RepoRequest } from './parts.js'

const INLINE_BYTES = 1_000_000

function refOf({ req, repo }: RepoRequest): string {
  const { ref } = req.query
  if (ref === undefined || ref === '') return repo.defaultBranch
  if (typeof ref !== 'string') throw new HubError('invalid_input', 'ref must be given once.')
  return ref
}

/** Throws `not_found` as Outpost words it; `git`'s own syntax and path tricks never get here. */
function cleanPath(text: string): string {
  const path = trimSlashes(text)
  if (
    path.includes('\0') ||
    path.split('/').some((it) => it === '..' || it === '.' || (it === '' && path !== ''))
  )
    throw new HubError('unprocessable', 'path: is not a path within the repository.')
  return path
}

export async function getTree(it: RepoRequest): Promise<void> {
  const { res, parts, repo } = it
  const path = cleanPath(it.rest)
  const ref = refOf(it)
  const commit = await parts.revisions.read(repo, ref)
  const top = await parts.git.findEntry(repo.id, commit, path)
  if (top?.type !== 'tree')
    throw new HubError('entry_not_found', `Directory '${path}' not found at '${ref}'.`)
  const entries: TreeEntry[] = []
  for await (const entry of parts.git.listTree(repo.id, commit, path, { recursive: false }))
    entries.push(entry)
  const blobs = entries.filter((entry) => entry.type === 'blob').map((entry) => entry.oid)
  const { pointers } = await parts.git.inspectBlobs(repo.id, blobs)
  res.json({ path, ref, entries: entries.map((entry) => toEntry(entry, pointers.get(entry.oid))) })
}

function toEntry(entry: TreeEntry, pointer: LfsPointer | undefined) {
  const name = entry.path.slice(entry.path.lastIndexOf('/') + 1)
  if (entry.type === 'tree') return { name, type: 'directory', mode: '040000' }
  if (entry.type === 'commit') return { name, type: 'submodule', mode: entry.mode }
  return { name, type: 'file', size_bytes: pointer?.size ?? entry.size, mode: entry.mode }
}

/** Text up to 1 MB inline; anything else by a link that carries its own right. LFS files give the real content. */
export async function getFile(it: RepoRequest): Promise<void> {
  const { res, parts, repo, caller } = it
  const path = cleanPath(it.rest)
  const ref = refOf(it)
  const commit = await parts.revisions.read(repo, ref)
  const entry = path === '' ? undefined : await parts.git.findEntry(repo.id, commit, path)
  if (entry?.type !== 'blob')
    throw new HubError('entry_not_found', `File '${path}' not found at '${ref}'.`)
  await parts.access.requireContent(caller, { repo, right: it.right, redirected: false })
  const { pointers } = await parts.git.inspectBlobs(repo.id, [entry.oid])
  const pointer = pointers.get(entry.oid)
  const size_bytes = pointer?.size ?? entry.size
  if (size_bytes <= INLINE_BYTES) {
    const content = pointer
      ? await readAll(await parts.objects.open(await parts.objects.read(repo, pointer.oid)))
      : await parts.git.readBlob(repo.id, entry.oid, INLINE_BYTES)
    const text = asText(content)
    if (text !== undefined) {
      res.json({ path, ref, size_bytes, encoding: 'utf-8', content: text })
      return
    }
  }
  const download_url = signDownload(it, {
    path,
    oid: pointer?.oid ?? entry.oid,
    lfs: pointer !== undefined,
    size: size_bytes,
  })
  res.json({ path, ref, size_bytes, encoding: 'binary', download_url })
}

async function readAll(stream: AsyncIterable<Buffer>): Promise<Buffer> {
  const chunks: Buffer[] = []
  for await (const chunk of stream) chunks.push(chunk)
  return Buffer.concat(chunks)
}

function asText(content: Buffer): string | undefined {
  if (content.includes(0)) return undefined
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(content)
  } catch {
    return undefined
  }
}

export async function listCommits(it: RepoRequest): Promise<void> {
  const { req, res, parts, repo } = it
  const page = readPage(req)
  const tip = await parts.revisions.read(repo, it.rest)
  const total = tip === repo.headOid ? repo.commitCount : await parts.git.countCommits(repo.id, tip)
  const skip = (page.page - 1) * page.perPage
  const commits =
    skip >= total ? [] : await parts.git.log(repo.id, tip, { skip, limit: page.perPage })
  res.json({ data: commits.map(toCommit), pagination: pagination(page, total) })
}

function toCommit(commit: CommitInfo) {
  const person = (who: CommitInfo['author']) => ({
    name: who.name,
    email: who.email,
    date: seconds(who.at),
  })
  return {
    sha: commit.oid,
    message: commit.message.replace(/\n$/, ''),
    author: person(commit.author),
    committer: person(commit.committer),
  }
}
