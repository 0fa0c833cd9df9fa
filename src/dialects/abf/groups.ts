import { HubError } from '../../domain/errors.js'
import type { Org, OrgRole } from '../../domain/types.js'
import { refused, refusedAs } from './errors.js'
import { Fields, idOrName, pageOf } from './input.js'
import { nameOf, readMember } from './members.js'
import type { AbfRequest, AbfRoute } from './parts.js'
import { groupUrl, parseRole, roleOf, toAccount, toGroup } from './shapes.js'
import { visible } from './users.js'

async function read(it: AbfRequest): Promise<Org> {
  const { accounts } = it.parts.stores
  const key = idOrName(it.id)
  const found = await (typeof key === 'number'
    ? accounts.findNamespaceById(key)
    : accounts.findOrg(key))
  if (found?.type !== 'org') throw new HubError('not_found', 'no such group')
  return found as Org
}

/** As `read`, for who manages it. */
async function readManaged(it: AbfRequest, role: OrgRole): Promise<Org> {
  const org = await read(it)
  it.parts.organizations.requireManager(it.caller, org, role)
  return org
}

async function toBody(it: AbfRequest, org: Org) {
  const [members, projects] = await Promise.all([
    it.parts.stores.accounts.listMembers(org.id),
    it.parts.stores.repos.count({ namespaceId: org.id, ...visible(it) }),
  ])
  return toGroup(org, members.find((member) => member.role === 'owner')?.user, projects)
}

/** The caller's own. */
async function listGroups(it: AbfRequest): Promise<void> {
  const { accountSearch } = it.parts.packages.stores
  const page = pageOf(it.params)
  const memberId = it.caller.user?.id ?? 0
  const [total, found] = await Promise.all([
    accountSearch.count('org', { memberId }),
    accountSearch.search('org', { memberId, limit: page.perPage, offset: page.offset }),
  ])
  it.linkPages(page, total)
  it.send({
    groups: await Promise.all(found.map((org) => toBody(it, org as Org))),
    url: '/api/v1/groups.json',
  })
}

async function getGroup(it: AbfRequest): Promise<void> {
  it.send({ group: await toBody(it, await read(it)) })
}

function readDescription(fields: Fields): string | undefined {
  const description = fields.text('description')
  fields.throwIfWrong()
  if ((description?.length ?? 0) > 2_000)
    throw refused('Description is too long (maximum is 2000 characters)')
  return description ?? undefined
}

async function createGroup(it: AbfRequest): Promise<void> {
  const org = await refusedAs('Group has not been created', async () => {
    const fields = Fields.within(it.params, 'group')
    const name = fields.text('uname')
    const description = readDescription(fields)
    if (!name) throw refused("Uname can't be blank")
    return it.parts.accounts.createOrgAs({ name, description }, it.actor)
  })
  it.done('group', org.id, 'Group has been created successfully')
}

async function updateGroup(it: AbfRequest): Promise<void> {
  const org = await readManaged(it, 'admin')
  await refusedAs('Group has not been updated', async () => {
    const description = readDescription(Fields.within(it.params, 'group'))
    if (description !== undefined) await it.parts.stores.accounts.updateOrg(org.id, { description })
  })
  it.done('group', org.id, 'Group has been updated successfully')
}

async function destroyGroup(it: AbfRequest): Promise<void> {
  const org = await readManaged(it, 'owner')
  await refusedAs('Group has not been destroyed', () =>
    it.parts.stores.accounts.deleteNamespace(org.id),
  )
  it.done('group', org.id, 'Group has been destroyed successfully')
}

async function listMembers(it: AbfRequest): Promise<void> {
  const org = await read(it)
  const isMember = it.caller.memberships.some((membership) => membership.orgId === org.id)
  if (!isMember && !it.caller.isSiteAdmin) throw new HubError('forbidden', 'only for members')
  const page = pageOf(it.params)
  const all = await it.parts.stores.accounts.listMembers(org.id)
  all.sort((a, b) => (a.user.name < b.user.name ? -1 : 1))
  it.linkPages(page, all.length)
  it.send({
    group: {
      id: org.id,
      members: all
        .slice(page.offset, page.offset + page.perPage)
        .map(({ user, role }) => ({ ...toAccount(user), role: roleOf(role) })),
    },
    url: groupUrl(org.id).replace('.json', '/members.json'),
  })
}

/** Members of groups are users. */
function setMember(verb: 'add' | 'update' | 'remove') {
  const failed = {
    add: 'Member has not been added to group',
    update: 'Role for member has not been updated in group',
    remove: 'Member has not been removed from group',
  }[verb]
  return async (it: AbfRequest): Promise<void> => {
    const org = await readManaged(it, 'reader')
    const member = await readMember(it, 'User')
    const role = parseRole(it.params.role ?? (verb === 'add' ? 'admin' : undefined))
    if (!member) throw refused(failed)
    const { organizations } = it.parts
    await refusedAs(failed, async () => {
      if (verb === 'remove') return organizations.remove(org, member.name, it.actor)
      if (!role) throw refused('Role is not included in the list')
      if (verb === 'update') return organizations.changeRole(org, member.name, role, it.actor)
      await organizations.add(org, member.name, role, it.actor)
    })
    const who = nameOf(it, 'User')
    const message = {
      add: `${who} has been added to group successfully`,
      update: `Role for ${who.toLowerCase()} has been updated in group successfully`,
      remove: `${who} has been removed from group successfully`,
    }[verb]
    it.done('group', org.id, message)
  }
}

export const groupRoutes: readonly AbfRoute[] = [
  ['GET', 'groups', listGroups],
  ['POST', 'groups', createGroup],
  ['GET', 'groups/:id', getGroup],
  ['PUT', 'groups/:id', updateGroup],
  ['DELETE', 'groups/:id', destroyGroup],
  ['GET', 'groups/:id/members', listMembers],
  ['PUT', 'groups/:id/add_member', setMember('add')],
  ['PUT', 'groups/:id/update_member', setMember('update')],
  ['DELETE', 'groups/:id/remove_member', setMember('remove')],
]
