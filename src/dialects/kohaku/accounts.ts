import type { Request, Response } from 'express'
import { z } from 'zod'
import { requireAccountHolder, requireUser } from '../../domain/access/access.js'
import { SESSION_SECONDS } from '../../domain/accounts/tokens.js'
import { HubError } from '../../domain/errors.js'
import type { Caller, OrgRole, Repo, User } from '../../domain/types.js'
import { check, readJson } from '../../http/body.js'
import { actAs, isCrossSite, SESSION_COOKIE } from '../../http/caller.js'
import {
  actorOf,
  type KohakuParts,
  type KohakuRequest,
  type KohakuRoute,
  MAX_JSON,
} from './parts.js'

const LoginBody = z.object({ username: z.string().max(255), password: z.string().max(4096) })
const RegisterBody = LoginBody.extend({
  email: z.string().max(255).nullish(),
  fullname: z.string().max(200).nullish(),
  invitation_token: z.string().max(200).nullish(),
})
const PasswordBody = z.object({
  old_password: z.string().max(4096),
  new_password: z.string().max(4096),
})

/** Who is asking, sessions, registration. `/api/login`, `/api/logout` and `/api/whoami` are the oldest clients' spelling. */
export const accountRoutes: readonly KohakuRoute[] = [
  { method: 'get', path: '/api/whoami', handle: whoami },
  { method: 'get', path: '/api/whoami-v2', handle: whoami },
  { method: 'post', path: '/api/login', handle: loginForToken },
  { method: 'post', path: '/api/logout', handle: logout },
  { method: 'post', path: '/api/auth/register', handle: register },
  { method: 'post', path: '/api/auth/login', handle: loginForSession },
  { method: 'post', path: '/api/auth/logout', handle: logout },
  { method: 'get', path: '/api/auth/me', handle: me },
  { method: 'post', path: '/api/auth/password', handle: changePassword },
]

const ROLE_IN_ORG = {
  reader: 'read',
  contributor: 'write',
  maintainer: 'write',
  admin: 'admin',
  owner: 'admin',
} as const satisfies Record<OrgRole, string>

/** huggingface-wire C4.2. */
async function whoami({ req, res, parts, caller }: KohakuRequest): Promise<void> {
  const user = requireUser(caller)
  const base = parts.baseUrl(req)
  res.json({
    type: 'user',
    id: String(user.id),
    name: user.name,
    fullname: user.fullname ?? user.name,
    ...(caller.repoIds.length > 0 ? {} : { email: user.email, emailVerified: false }),
    isPro: false,
    canPay: false,
    periodEnd: null,
    avatarUrl: `${base}/api/users/${user.name}/avatar`,
    orgs: caller.memberships.map((it) => ({
      type: 'org',
      id: String(it.orgId),
      name: it.orgName,
      fullname: it.orgFullname ?? it.orgName,
      email: null,
      canPay: false,
      periodEnd: null,
      avatarUrl: `${base}/api/organizations/${it.orgName}/avatar`,
      plan: null,
      isEnterprise: false,
      roleInOrg: ROLE_IN_ORG[it.role],
    })),
    auth: await authOf(caller, parts),
    site: { name: 'Packhorse', url: base },
  })
}

async function authOf(caller: Caller, parts: KohakuParts) {
  const { token } = caller
  const scoped = await Promise.all(caller.repoIds.map((id) => parts.stores.repos.findById(id)))
  const repos: Repo[] = []
  for (const repo of scoped)
    if (repo?.state === 'ready' && (await parts.access.rightOn(caller, repo))) repos.push(repo)
  return {
    type: 'access_token',
    accessToken: {
      displayName: token?.name ?? caller.via,
      role: caller.repoIds.length > 0 ? 'fineGrained' : caller.role === 'read' ? 'read' : 'write',
      createdAt: token?.createdAt ?? new Date().toISOString(),
      ...(caller.repoIds.length > 0
        ? {
            fineGrained: {
              canReadGatedRepos: true,
              global: [],
              scoped: repos.map((it) => ({
                entity: { _id: it.id, type: it.kind, name: `${it.namespace}/${it.name}` },
                permissions: [
                  'repo.content.read',
                  ...(caller.role === 'read' ? [] : ['repo.write']),
                ],
              })),
            },
          }
        : {}),
    },
    ...(token?.expiresAt ? { expiresAt: token.expiresAt } : {}),
  }
}

async function loginForToken(it: KohakuRequest): Promise<void> {
  const { user } = await byPassword(it)
  it.res.json({ token: await it.parts.tokens.startSession(user, 'client') })
}

async function loginForSession(it: KohakuRequest): Promise<void> {
  const { user } = await byPassword(it)
  await sendSession(it, user)
  it.res.json({ success: true, message: 'Logged in successfully', username: user.name })
}

async function byPassword({ req, parts }: KohakuRequest): Promise<{ user: User }> {
  requireSameSite(req, parts)
  const { username, password } = check(LoginBody, await readJson(req, MAX_JSON))
  try {
    return {
      user: requireUser(actAs(req, await parts.login.byPassword(username, password, req.ip ?? ''))),
    }
  } catch (err) {
    if (err instanceof HubError) actAs(req, err)
    throw err
  }
}

/** Another site's page must not log a browser in to an account of its own choice. */
function requireSameSite(req: Request, parts: KohakuParts): void {
  if (isCrossSite(req, parts.baseUrl))
    throw new HubError('forbidden', 'This cannot be asked from the pages of another site.')
}

async function sendSession({ req, res, parts }: KohakuRequest, user: User): Promise<void> {
  const secret = await parts.tokens.startSession(user, 'browser')
  setCookie(req, res, parts, secret, SESSION_SECONDS)
}

function setCookie(
  req: Request,
  res: Response,
  parts: KohakuParts,
  value: string,
  seconds: number,
): void {
  const secure = parts.baseUrl(req).startsWith('https:') ? '; Secure' : ''
  res.append(
    'Set-Cookie',
    `${SESSION_COOKIE}=${value}; Path=/; Max-Age=${seconds}; HttpOnly; SameSite=Lax${secure}`,
  )
}

async function logout({ req, res, parts, caller }: KohakuRequest): Promise<void> {
  requireSameSite(req, parts)
  await parts.tokens.endSession(caller)
  setCookie(req, res, parts, '', 0)
  res.json({ success: true, message: 'Logged out successfully' })
}

async function register(it: KohakuRequest): Promise<void> {
  const { req, res, parts, caller } = it
  requireSameSite(req, parts)
  const body = check(RegisterBody, await readJson(req, MAX_JSON))
  const query = req.query.invitation_token
  const invitation = body.invitation_token ?? (typeof query === 'string' ? query : undefined)
  const user = await parts.accounts.register(
    {
      name: body.username,
      password: body.password,
      email: body.email || undefined,
      fullname: body.fullname || undefined,
    },
    invitation || undefined,
    actorOf(caller),
  )
  // an administrator who makes an account for somebody stays who they are
  if (!caller.user && !caller.isSiteAdmin) await sendSession(it, user)
  res.json({
    success: true,
    message: 'User registered successfully',
    username: user.name,
    email_verified: false,
  })
}

async function me({ res, caller }: KohakuRequest): Promise<void> {
  const user = requireUser(caller)
  res.json({
    id: user.id,
    username: user.name,
    full_name: user.fullname,
    ...(caller.repoIds.length > 0 ? {} : { email: user.email, email_verified: false }),
    is_admin: caller.isSiteAdmin,
    created_at: user.createdAt,
  })
}

async function changePassword({ req, res, parts, caller }: KohakuRequest): Promise<void> {
  const user = requireAccountHolder(caller)
  const body = check(PasswordBody, await readJson(req, MAX_JSON))
  // guessing the old password counts like any other guess
  await parts.login.byPassword(user.name, body.old_password, req.ip ?? '').catch((err) => {
    if (err instanceof HubError && err.code === 'bad_credentials')
      throw new HubError('forbidden', 'The old password is not right.')
    throw err
  })
  await parts.accounts.changePassword(user, body.new_password, actorOf(caller), caller.token?.id)
  res.json({ success: true, message: 'Password changed' })
}
