import { z } from 'zod'
import { requireUser } from '../../domain/access/access.js'
import { HubError } from '../../domain/errors.js'
import type { LfsLock } from '../../domain/lfs/ports.js'
import { noteRead } from '../../http/audit.js'
import { check, readJson } from '../../http/body.js'
import { callerOf } from '../../http/caller.js'
import { LFS_JSON } from './errors.js'
import type { LfsRequest } from './parts.js'

const MAX_BODY = 64 * 1024
const MAX_PAGE = 100

const Ref = z.object({ name: z.string().max(1024) }).nullish()
const CreateBody = z.object({ path: z.string(), ref: Ref })
const VerifyBody = z.object({
  ref: Ref,
  cursor: z.string().nullish(),
  limit: z.number().int().nullish(),
})
const UnlockBody = z.object({ force: z.boolean().nullish(), ref: Ref })

export async function createLock({ req, res, opened, parts }: LfsRequest): Promise<void> {
  const user = requireUser(callerOf(req))
  const body = check(CreateBody, await readJson(req, MAX_BODY))
  try {
    const lock = await parts.locks.create(opened.repo, user, body.path, body.ref?.name ?? null)
    res
      .status(201)
      .type(LFS_JSON)
      .send(JSON.stringify({ lock: toWire(lock) }))
  } catch (err) {
    if (!(err instanceof HubError && err.code === 'conflict')) throw err
    const lock = toWire(err.facts.lock as LfsLock)
    res
      .status(409)
      .type(LFS_JSON)
      .send(JSON.stringify({ lock, message: err.message }))
  }
}

export async function listLocks({ req, res, opened, parts }: LfsRequest): Promise<void> {
  const { path, id, refspec, cursor, limit } = req.query
  const page = await readPage(limit, cursor, (filter) =>
    parts.locks.list(opened.repo, {
      ...filter,
      ...(typeof path === 'string' ? { path } : {}),
      ...(typeof id === 'string' ? { id } : {}),
      ...(typeof refspec === 'string' ? { ref: refspec } : {}),
    }),
  )
  res.type(LFS_JSON).send(JSON.stringify({ locks: page.locks.map(toWire), ...page.next }))
}

export async function verifyLocks({ req, res, opened, parts }: LfsRequest): Promise<void> {
  noteRead(req)
  // git-lfs asks before each push: who cannot push has no use for it (docs/api/locking.md, 403)
  await parts.access.openRepo(callerOf(req), opened.repo, 'write')
  const user = requireUser(callerOf(req))
  const body = check(VerifyBody, await readJson(req, MAX_BODY))
  const page = await readPage(body.limit, body.cursor, (filter) =>
    parts.locks.list(opened.repo, filter),
  )
  const ours = page.locks.filter((it) => it.ownerId === user.id).map(toWire)
  const theirs = page.locks.filter((it) => it.ownerId !== user.id).map(toWire)
  res.type(LFS_JSON).send(JSON.stringify({ ours, theirs, ...page.next }))
}

export async function deleteLock({ req, res, opened, parts, params }: LfsRequest): Promise<void> {
  const user = requireUser(callerOf(req))
  const body = check(UnlockBody, await readJson(req, MAX_BODY))
  const { repo, right } = opened
  const lock = await parts.locks.remove(repo, params[0] ?? '', user, right, body.force === true)
  res.type(LFS_JSON).send(JSON.stringify({ lock: toWire(lock) }))
}

async function readPage(
  limit: unknown,
  cursor: unknown,
  list: (filter: { limit: number; after?: string }) => Promise<LfsLock[]>,
): Promise<{ locks: LfsLock[]; next: { next_cursor?: string } }> {
  const asked = typeof limit === 'object' ? MAX_PAGE : Number(limit ?? MAX_PAGE)
  const size = Number.isInteger(asked) && asked > 0 ? Math.min(asked, MAX_PAGE) : MAX_PAGE
  const after = typeof cursor === 'string' && cursor !== '' ? { after: cursor } : {}
  const found = await list({ limit: size + 1, ...after })
  const locks = found.slice(0, size)
  const last = locks.at(-1)
  return { locks, next: found.length > size && last ? { next_cursor: last.id } : {} }
}

function toWire(lock: LfsLock) {
  return {
    id: lock.id,
    path: lock.path,
    locked_at: lock.lockedAt.replace(/\.\d+Z$/, 'Z'),
    owner: { name: lock.ownerName },
  }
}
