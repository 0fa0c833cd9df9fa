import { z } from 'zod'
import { HubError } from '../../domain/errors.js'
import { check, readJson } from '../../http/body.js'
import { actorOf, type KohakuRequest, type KohakuRoute, MAX_JSON, param } from './parts.js'
import { Role, roleName } from './shapes.js'

const CreateBody = z.object({ name: z.string(), description: z.string().max(2_000).nullish() })
const AddBody = z.object({ username: z.string(), role: Role.default('reader') })
const RoleBody = z.object({ role: Role })

/** The code serves `/org/…`, KohakuHub's documents say `/api/organizations/…` (kohaku-outpost A.12): both are one. */
const BOTH: readonly KohakuRoute[] = [
  { method: 'post', path: '/create', handle: createOrg },
  { method: 'get', path: '/:org', handle: readOrg },
  { method: 'post', path: '/:org/members', handle: addMember },
  { method: 'put', path: '/:org/members/:user', handle: changeMember },
  { method: 'delete', path: '/:org/members/:user', handle: removeMember },
  { method: 'get', path: '/users/:user/orgs', handle: listOrgsOf },
]

export const organizationRoutes: readonly KohakuRoute[] = [
  ...BOTH.map((it) => ({ ...it, path: `/org${it.path}` })),
  ...BOTH.map((it) => ({ ...it, path: `/api/organizations${it.path}` })),
  { method: 'post', path: '/api/organizations', handle: createOrg },
  { method: 'get', path: '/org/:org/members', handle: listMembers },
  // huggingface_hub's list_organization_members reads a bare array (huggingface-wire B11)
  { method: 'get', path: '/api/organizations/:org/members', handle: listMembersForHf },
]

async function createOrg({ req, res, parts, caller }: KohakuRequest): Promise<void> {
  const body = check(CreateBody, await readJson(req, MAX_JSON))
  const org = await parts.accounts.createOrgAs(
    { name: body.name, description: body.description ?? undefined },
    actorOf(caller),
  )
  res.json({ success: true, name: org.name, message: 'Organization created successfully' })
}

async function readOrg(it: KohakuRequest): Promise<void> {
  const org = await it.parts.organizations.read(param(it, 'org'))
  it.res.json({
    id: org.id,
    name: org.name,
    description: org.description,
    created_at: org.createdAt,
    is_org: true,
  })
}

/** Who belongs to an organisation is public, as KohakuHub has it. */
async function listMembers(it: KohakuRequest): Promise<void> {
  const { organizations } = it.parts
  const members = await organizations.members(await organizations.read(param(it, 'org')))
  it.res.json({
    members: members.map(({ user, role, since }) => ({
      user: user.name,
      role: roleName(role),
      created_at: since,
    })),
  })
}

async function listMembersForHf(it: KohakuRequest): Promise<void> {
  const { organizations } = it.parts
  const members = await organizations.members(await organizations.read(param(it, 'org')))
  const base = it.parts.baseUrl(it.req)
  it.res.json(
    members.map(({ user, role }) => ({
      user: user.name,
      fullname: user.fullname ?? user.name,
      avatarUrl: `${base}/api/users/${user.name}/avatar`,
      isPro: false,
      type: 'user',
      role: roleName(role),
    })),
  )
}

async function addMember(it: KohakuRequest): Promise<void> {
  const { organizations } = it.parts
  const org = await organizations.read(param(it, 'org'))
  // who may not manage it learns nothing from how the body is judged
  organizations.requireManager(it.caller, org, 'reader')
  const { username, role } = check(AddBody, await readJson(it.req, MAX_JSON))
  await organizations.add(org, username, role, actorOf(it.caller))
  it.res.json({ success: true, message: 'Member added successfully' })
}

async function changeMember(it: KohakuRequest): Promise<void> {
  const { organizations } = it.parts
  const org = await organizations.read(param(it, 'org'))
  organizations.requireManager(it.caller, org, 'reader')
  const { role } = check(RoleBody, await readJson(it.req, MAX_JSON))
  await organizations.changeRole(org, param(it, 'user'), role, actorOf(it.caller))
  it.res.json({ success: true, message: 'Member role updated successfully' })
}

async function removeMember(it: KohakuRequest): Promise<void> {
  const { organizations } = it.parts
  const org = await organizations.read(param(it, 'org'))
  await organizations.remove(org, param(it, 'user'), actorOf(it.caller))
  it.res.json({ success: true, message: 'Member removed successfully' })
}

async function listOrgsOf(it: KohakuRequest): Promise<void> {
  const { accounts } = it.parts.stores
  const user = await accounts.findUser(param(it, 'user'))
  if (!user) throw new HubError('account_not_found', 'User not found')
  const memberships = await accounts.listMemberships(user.id)
  it.res.json({
    organizations: memberships.map((org) => ({ name: org.orgName, role: roleName(org.role) })),
  })
}
