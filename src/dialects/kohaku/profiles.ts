import { z } from 'zod'
import { requireAccountHolder, requireActiveUser } from '../../domain/access/access.js'
import { HubError } from '../../domain/errors.js'
import type { Namespace, Right } from '../../domain/types.js'
import { check, readJson } from '../../http/body.js'
import { type KohakuRequest, type KohakuRoute, MAX_JSON, param } from './parts.js'

const text = (max: number) => z.string().max(max).nullish()

/** Shown on pages of our own, so a link may lead nowhere but to the web. */
const Link = z
  .union([z.literal(''), z.url({ protocol: /^https?$/ }).max(500)])
  .nullish()
  .transform((v) => v || (v === undefined ? undefined : null))

const SettingsBody = z.object({
  email: z.string().max(255).nullish(),
  full_name: text(200),
  fullname: text(200),
  description: text(2_000),
  bio: text(5_000),
  website: Link,
  social_media: z.record(z.string().max(40), z.string().max(200)).nullish(),
})

export const profileRoutes: readonly KohakuRoute[] = [
  { method: 'put', path: '/api/users/:user/settings', handle: changeUser },
  { method: 'get', path: '/api/users/:user/profile', handle: showUser },
  { method: 'get', path: '/api/users/:user/type', handle: showType },
  { method: 'put', path: '/api/organizations/:org/settings', handle: changeOrg },
  { method: 'get', path: '/api/organizations/:org/profile', handle: showOrg },
]

async function changeUser(it: KohakuRequest): Promise<void> {
  const { accounts, stores } = it.parts
  const user = requireActiveUser(it.caller)
  if (user.name.toLowerCase() !== param(it, 'user').toLowerCase())
    throw new HubError('forbidden', 'You can change your own settings only.')
  const body = check(SettingsBody, await readJson(it.req, MAX_JSON))
  // password resets will go there: a write token must not be able to redirect them
  if (body.email !== undefined && (body.email || null) !== user.email) {
    requireAccountHolder(it.caller)
    await accounts.changeEmail(user, body.email || null)
  }
  const fullname = body.full_name ?? body.fullname
  if (fullname !== undefined) await stores.accounts.updateUser(user.id, { fullname })
  await stores.accounts.updateProfile(user.id, profileOf(body))
  it.res.json({ success: true, message: 'User settings updated successfully' })
}

async function changeOrg(it: KohakuRequest): Promise<void> {
  const { access, organizations, stores } = it.parts
  const org = await organizations.read(param(it, 'org'))
  access.requireNamespace(it.caller, org, 'admin')
  const body = check(SettingsBody, await readJson(it.req, MAX_JSON))
  const fullname = body.full_name ?? body.fullname
  await stores.accounts.updateOrg(org.id, {
    ...(body.description !== undefined ? { description: body.description } : {}),
    ...(fullname !== undefined ? { fullname } : {}),
  })
  await stores.accounts.updateProfile(org.id, profileOf(body))
  it.res.json({ success: true, message: 'Organization settings updated successfully' })
}

function profileOf(body: z.output<typeof SettingsBody>): Record<string, unknown> {
  const { bio, website, social_media } = body
  return Object.fromEntries(
    Object.entries({ bio, website, social_media }).filter(([, value]) => value !== undefined),
  )
}

async function showUser(it: KohakuRequest): Promise<void> {
  const user = await it.parts.stores.accounts.findUser(param(it, 'user'))
  if (!user) throw new HubError('account_not_found', 'User not found')
  it.res.json({ username: user.name, full_name: user.fullname, ...(await profile(it, user)) })
}

async function showOrg(it: KohakuRequest): Promise<void> {
  const org = await it.parts.organizations.read(param(it, 'org'))
  const members = await it.parts.organizations.members(org)
  it.res.json({
    name: org.name,
    full_name: org.fullname,
    description: org.description,
    member_count: members.length,
    ...(await profile(it, org)),
  })
}

async function profile({ parts }: KohakuRequest, namespace: Namespace) {
  const it = await parts.stores.accounts.readProfile(namespace.id)
  return {
    bio: it.bio ?? null,
    website: it.website ?? null,
    social_media: it.social_media ?? null,
    created_at: namespace.createdAt,
  }
}

async function showType(it: KohakuRequest): Promise<void> {
  const namespace = await it.parts.stores.accounts.findNamespace(param(it, 'user'))
  if (!namespace) throw new HubError('account_not_found', 'User not found')
  it.res.json({ type: namespace.type })
}

/** The namespace of a path, for whoever has `right` in it. */
export async function openNamespace(
  it: KohakuRequest,
  name: string,
  right: Right,
): Promise<Namespace> {
  const namespace = await it.parts.stores.accounts.findNamespace(name)
  if (!namespace) throw new HubError('account_not_found', `There is no "${name.slice(0, 100)}".`)
  it.parts.access.requireNamespace(it.caller, namespace, right)
  return namespace
}
