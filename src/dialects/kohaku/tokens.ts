import { z } from 'zod'
import { HubError } from '../../domain/errors.js'
import type { Caller, Token } from '../../domain/types.js'
import { check, readJson } from '../../http/body.js'
import { isoNow } from '../../lib/ids.js'
import {
  actorOf,
  type KohakuParts,
  type KohakuRequest,
  type KohakuRoute,
  MAX_JSON,
  param,
} from './parts.js'
import { Kind } from './shapes.js'

const DAY_MS = 24 * 3600 * 1000
const MAX_SCOPE = 100

/** `repositories`, `role` and the two forms of an end are this hub's additions. */
const CreateBody = z.object({
  name: z.string().min(1).max(200),
  role: z.enum(['read', 'write', 'admin']).default('write'),
  repositories: z
    .array(
      z.union([
        z.string().transform((name) => ({ type: 'model' as const, name })),
        z.object({ type: Kind, name: z.string() }),
      ]),
    )
    .max(MAX_SCOPE)
    .nullish(),
  expires_days: z.number().int().min(1).max(3650).nullish(),
  expires_at: z.iso.datetime().nullish(),
})

export const tokenRoutes: readonly KohakuRoute[] = [
  { method: 'get', path: '/api/auth/tokens', handle: listTokens },
  { method: 'post', path: '/api/auth/tokens/create', handle: createToken },
  { method: 'delete', path: '/api/auth/tokens/:id', handle: deleteToken },
]

async function listTokens({ res, parts, caller }: KohakuRequest): Promise<void> {
  const tokens = await parts.tokens.list(caller)
  res.json({ tokens: await Promise.all(tokens.map((it) => toWire(parts, caller, it))) })
}

async function createToken({ req, res, parts, caller }: KohakuRequest): Promise<void> {
  const body = check(CreateBody, await readJson(req, MAX_JSON))
  const repoIds: string[] = []
  for (const { type: kind, name: id } of body.repositories ?? []) {
    const [namespace = '', name = ''] = id.split('/')
    const { repo } = await parts.access.open(caller, { kind, namespace, name }, 'read')
    repoIds.push(repo.id)
  }
  if (body.repositories && repoIds.length === 0)
    throw new HubError('invalid_input', 'repositories: name at least one, or leave it out.')
  const expiresAt = body.expires_days
    ? isoNow(body.expires_days * DAY_MS)
    : body.expires_at
      ? new Date(body.expires_at).toISOString()
      : null
  const { token, secret } = await parts.tokens.create(
    { name: body.name, role: body.role, repoIds, expiresAt },
    actorOf(caller),
  )
  res.json({
    success: true,
    token: secret,
    token_id: token.id,
    message: 'Token created. Save it now: it is not shown again.',
    ...(await toWire(parts, caller, token)),
  })
}

async function deleteToken(it: KohakuRequest): Promise<void> {
  await it.parts.tokens.revoke(param(it, 'id'), actorOf(it.caller))
  it.res.json({ success: true, message: 'Token revoked successfully' })
}

async function toWire({ access, stores }: KohakuParts, caller: Caller, token: Token) {
  const repositories: { type: string; name: string }[] = []
  for (const id of token.repoIds) {
    const repo = await stores.repos.findById(id)
    if (repo?.state === 'ready' && (await access.rightOn(caller, repo)))
      repositories.push({ type: repo.kind, name: `${repo.namespace}/${repo.name}` })
  }
  return {
    id: token.id,
    name: token.name,
    role: token.role,
    repositories: token.repoIds.length > 0 ? repositories : null,
    created_at: token.createdAt,
    last_used: token.lastUsedAt,
    expires_at: token.expiresAt,
  }
}
