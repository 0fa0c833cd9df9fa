import { z } from 'zod'
import type { Invitation } from '../../domain/accounts/ports.js'
import { check, readJson } from '../../http/body.js'
import { actorOf, type KohakuRequest, type KohakuRoute, MAX_JSON, param } from './parts.js'
import { Role, roleName } from './shapes.js'

export const InvitationBody = z.object({
  email: z.string().max(255).nullish(),
  role: Role.default('contributor'),
  max_usage: z
    .number()
    .int()
    .nullish()
    .refine(
      (n) => n === null || n === undefined || n === -1 || n >= 1,
      'must be -1 or more than 0',
    ),
  expires_days: z.number().int().min(1).max(365).default(7),
})

export const invitationRoutes: readonly KohakuRoute[] = [
  { method: 'post', path: '/api/invitations/org/:org/create', handle: createInvitation },
  { method: 'get', path: '/api/invitations/org/:org/list', handle: listInvitations },
  { method: 'get', path: '/api/invitations/:token', handle: readInvitation },
  { method: 'post', path: '/api/invitations/:token/accept', handle: acceptInvitation },
  { method: 'delete', path: '/api/invitations/:token', handle: deleteInvitation },
]

async function createInvitation(it: KohakuRequest): Promise<void> {
  const { organizations } = it.parts
  const org = await organizations.read(param(it, 'org'))
  organizations.requireManager(it.caller, org, 'reader')
  const body = check(InvitationBody, await readJson(it.req, MAX_JSON))
  await sendInvitation(it, body, org)
}

/** `org` null = an invitation to register. */
export async function sendInvitation(
  { req, res, parts, caller }: KohakuRequest,
  body: z.output<typeof InvitationBody>,
  org: Parameters<KohakuRequest['parts']['invitations']['create']>[0],
): Promise<void> {
  const maxUsage = body.max_usage ?? 1
  const { secret, expiresAt } = await parts.invitations.create(
    org,
    { role: body.role, email: body.email || null, maxUsage, days: body.expires_days },
    actorOf(caller),
  )
  const page = org ? `/invitations/${secret}` : `/register?invitation_token=${secret}`
  res.json({
    success: true,
    token: secret,
    invitation_link: `${parts.baseUrl(req)}${page}`,
    expires_at: expiresAt,
    max_usage: maxUsage,
    is_reusable: maxUsage !== 1,
  })
}

async function listInvitations(it: KohakuRequest): Promise<void> {
  const org = await it.parts.organizations.read(param(it, 'org'))
  const invitations = await it.parts.invitations.list(org, it.caller)
  it.res.json({ invitations: invitations.map(invitationWire) })
}

/** By its secret, which is all the right that it takes. */
async function readInvitation(it: KohakuRequest): Promise<void> {
  const invitation = await it.parts.invitations.read(param(it, 'token'))
  const org =
    invitation.orgId === null
      ? undefined
      : await it.parts.stores.accounts.findNamespaceById(invitation.orgId)
  it.res.json({
    ...invitationWire(invitation),
    action: org ? 'join_org' : 'register_account',
    org_name: org?.name ?? null,
  })
}

async function acceptInvitation(it: KohakuRequest): Promise<void> {
  const { orgId } = await it.parts.invitations.accept(param(it, 'token'), actorOf(it.caller))
  const org = await it.parts.stores.accounts.findNamespaceById(orgId)
  it.res.json({ success: true, message: `You are a member of ${org?.name} now`, org: org?.name })
}

async function deleteInvitation(it: KohakuRequest): Promise<void> {
  await it.parts.invitations.delete(param(it, 'token'), it.caller)
  it.res.json({ success: true, message: 'Invitation deleted successfully' })
}

/** `id` is what deletes it; the secret itself is not kept. */
export function invitationWire(it: Invitation) {
  const isExpired = it.expiresAt <= new Date().toISOString()
  const isUsedUp = it.maxUsage !== -1 && it.usageCount >= it.maxUsage
  return {
    id: it.tokenHash,
    role: roleName(it.role),
    email: it.email,
    created_at: it.createdAt,
    expires_at: it.expiresAt,
    max_usage: it.maxUsage,
    usage_count: it.usageCount,
    is_reusable: it.maxUsage !== 1,
    is_available: !isExpired && !isUsedUp,
  }
}
