import { z } from 'zod'
import { HubError } from '../../domain/errors.js'
import { makeEvent } from '../../domain/events/events.js'
import type { Token, User } from '../../domain/types.js'
import { check, readJson } from '../../http/body.js'
import { InvitationBody, invitationWire, sendInvitation } from './invitations.js'
import {
  actorOf,
  type KohakuParts,
  type KohakuRequest,
  type KohakuRoute,
  MAX_JSON,
  param,
} from './parts.js'
import { changeNamespace, NamespaceQuotaBody, namespaceWire } from './quotas.js'
import { intQuery } from './shapes.js'

const Bytes = z.number().int().nonnegative().nullish()
const CreateBody = z.object({
  username: z.string(),
  email: z.string().max(255).nullish(),
  password: z.string().max(4096).nullish(),
  fullname: z.string().max(200).nullish(),
  is_admin: z.boolean().nullish(),
  private_quota_bytes: Bytes,
  public_quota_bytes: Bytes,
})
const ChangeBody = z.object({
  email: z.string().max(255).nullish(),
  password: z.string().max(4096).optional(),
  is_active: z.boolean().optional(),
  is_admin: z.boolean().optional(),
})

export const adminUserRoutes: readonly KohakuRoute[] = [
  { method: 'get', path: '/users', handle: listUsers },
  { method: 'post', path: '/users', handle: createUser },
  { method: 'get', path: '/users/:user', handle: showUser },
  { method: 'patch', path: '/users/:user', handle: changeUser },
  { method: 'delete', path: '/users/:user', handle: deleteUser },
  { method: 'put', path: '/users/:user/quota', handle: setQuota },
  { method: 'post', path: '/invitations/register', handle: inviteToRegister },
  { method: 'get', path: '/invitations', handle: listInvitations },
  { method: 'delete', path: '/invitations/:token', handle: deleteInvitation },
  { method: 'get', path: '/sessions', handle: (it) => listTokens(it, 'session') },
  { method: 'delete', path: '/users/:user/sessions', handle: endSessions },
  { method: 'get', path: '/tokens', handle: (it) => listTokens(it, 'token') },
  { method: 'delete', path: '/users/:user/tokens/:id', handle: deleteToken },
]

async function listUsers(it: KohakuRequest): Promise<void> {
  const limit = intQuery(it, 'limit', { min: 1, max: 1_000, default: 100 })
  const after = intQuery(it, 'after', { min: 0, max: Number.MAX_SAFE_INTEGER, default: 0 })
  const users = await it.parts.stores.accounts.listUsers(after, limit)
  const next = users.length === limit ? users.at(-1)?.id : undefined
  it.res.json({
    users: await Promise.all(users.map((user) => userWire(it.parts, user))),
    total: await it.parts.stores.accounts.countUsers(),
    next_after: next ?? null,
  })
}

async function showUser(it: KohakuRequest): Promise<void> {
  it.res.json(await userWire(it.parts, await readUser(it)))
}

async function createUser(it: KohakuRequest): Promise<void> {
  const body = check(CreateBody, await readJson(it.req, MAX_JSON))
  const user = await it.parts.accounts.createUserAs(
    {
      name: body.username,
      email: body.email || undefined,
      password: body.password ?? undefined,
      fullname: body.fullname ?? undefined,
      isSiteAdmin: body.is_admin ?? false,
    },
    actorOf(it.caller),
  )
  const { private_quota_bytes, public_quota_bytes } = body
  await it.parts.stores.accounts.setNamespaceQuotas(user.id, {
    ...(private_quota_bytes !== undefined ? { privateBytes: private_quota_bytes } : {}),
    ...(public_quota_bytes !== undefined ? { publicBytes: public_quota_bytes } : {}),
  })
  const made = (await it.parts.stores.accounts.findUserById(user.id)) ?? user
  it.res.json(await userWire(it.parts, made))
}

async function changeUser(it: KohakuRequest): Promise<void> {
  const { accounts, stores } = it.parts
  const user = await readUser(it)
  const body = check(ChangeBody, await readJson(it.req, MAX_JSON))
  if (body.email !== undefined) await accounts.changeEmail(user, body.email || null)
  if (body.password !== undefined)
    await accounts.changePassword(user, body.password, actorOf(it.caller))
  await stores.accounts.updateUser(user.id, {
    ...(body.is_active !== undefined ? { isActive: body.is_active } : {}),
    ...(body.is_admin !== undefined ? { isSiteAdmin: body.is_admin } : {}),
  })
  const { is_active, is_admin } = body
  const about = { user: user.name, is_active, is_admin, email: body.email !== undefined }
  await stores.events.add(makeEvent('account.settings', actorOf(it.caller), undefined, about))
  it.res.json(await userWire(it.parts, await readUser(it)))
}

/** `?force=true` takes the user's repositories along. */
async function deleteUser(it: KohakuRequest): Promise<void> {
  const user = await readUser(it)
  await it.parts.userRemoval.remove(user, actorOf(it.caller), {
    force: it.req.query.force === 'true',
  })
  it.res.json({ success: true, message: `User ${user.name} deleted` })
}

async function setQuota(it: KohakuRequest): Promise<void> {
  const user = await readUser(it)
  const body = check(NamespaceQuotaBody, await readJson(it.req, MAX_JSON))
  it.res.json(await namespaceWire(it.parts, await changeNamespace(it, user, body)))
}

async function inviteToRegister(it: KohakuRequest): Promise<void> {
  const body = check(InvitationBody, await readJson(it.req, MAX_JSON))
  await sendInvitation(it, body, null)
}

async function listInvitations(it: KohakuRequest): Promise<void> {
  const invitations = await it.parts.invitations.list(null, it.caller)
  it.res.json({ invitations: invitations.map(invitationWire) })
}

async function deleteInvitation(it: KohakuRequest): Promise<void> {
  await it.parts.invitations.delete(param(it, 'token'), it.caller)
  it.res.json({ success: true, message: 'Invitation deleted' })
}

async function listTokens(it: KohakuRequest, kind: Token['kind']): Promise<void> {
  const limit = intQuery(it, 'limit', { min: 1, max: 1_000, default: 100 })
  const offset = intQuery(it, 'offset', { min: 0, max: 1_000_000, default: 0 })
  const { accounts } = it.parts.stores
  const rows = await accounts.scanTokens(kind, limit, offset)
  const tokens = await Promise.all(
    rows.map(async (token) => ({
      id: token.id,
      user: (await accounts.findUserById(token.userId))?.name ?? null,
      name: token.name,
      role: token.role,
      created_at: token.createdAt,
      last_used: token.lastUsedAt,
      expires_at: token.expiresAt,
    })),
  )
  it.res.json(kind === 'session' ? { sessions: tokens } : { tokens })
}

async function endSessions(it: KohakuRequest): Promise<void> {
  const user = await readUser(it)
  await it.parts.stores.accounts.deleteSessions(user.id)
  await noteToken(it, { user: user.name, sessions: 'all', deleted: true })
  it.res.json({ success: true, message: `The sessions of ${user.name} have ended` })
}

async function deleteToken(it: KohakuRequest): Promise<void> {
  const user = await readUser(it)
  if (!(await it.parts.stores.accounts.deleteToken(user.id, param(it, 'id'))))
    throw new HubError('not_found', 'There is no such token.')
  await noteToken(it, { user: user.name, id: param(it, 'id'), deleted: true })
  it.res.json({ success: true, message: 'Token revoked' })
}

function noteToken(it: KohakuRequest, about: Record<string, unknown>): Promise<void> {
  const event = makeEvent('account.token', actorOf(it.caller), undefined, about)
  return it.parts.stores.events.add(event)
}

async function readUser(it: KohakuRequest): Promise<User> {
  const user = await it.parts.stores.accounts.findUser(param(it, 'user'))
  if (!user) throw new HubError('account_not_found', 'User not found')
  return user
}

async function userWire(parts: KohakuParts, user: User) {
  return {
    id: user.id,
    username: user.name,
    fullname: user.fullname,
    email: user.email,
    email_verified: false,
    is_active: user.isActive,
    is_admin: user.isSiteAdmin,
    created_at: user.createdAt,
    quota: await namespaceWire(parts, user),
  }
}
