import { refused } from './errors.js'
import { pageOf } from './input.js'
import { nameOf, readMember } from './members.js'
import type { AbfRequest, AbfRoute } from './parts.js'
import { openProject } from './projects.js'
import { parseRole, roleOf, toAccount } from './shapes.js'

async function listMembers(it: AbfRequest): Promise<void> {
  const repo = await openProject(it, 'admin')
  const page = pageOf(it.params)
  const all = await it.parts.stores.repos.listMembers(repo.id)
  all.sort((a, b) => (a.name < b.name ? -1 : 1))
  it.linkPages(page, all.length)
  it.send({
    project: {
      id: repo.seq,
      members: all.slice(page.offset, page.offset + page.perPage).map((member) => ({
        ...toAccount({ id: member.userId, name: member.name, type: member.type, fullname: null }),
        role: roleOf(member.role as Parameters<typeof roleOf>[0]),
      })),
    },
    url: `/api/v1/projects/${repo.seq}/members.json`,
  })
}

/** A user, or a group and so everybody in it with the role that the group has here. */
function setMember(verb: 'add' | 'update' | 'remove') {
  const failed = {
    add: 'Member has not been added to project',
    update: 'Role for member has not been updated in project',
    remove: 'Member has not been removed from project',
  }[verb]
  return async (it: AbfRequest): Promise<void> => {
    const repo = await openProject(it, 'admin')
    const type = it.params.type ?? 'User'
    const member = await readMember(it, type)
    const role = parseRole(it.params.role ?? (verb === 'add' ? 'admin' : undefined))
    if (!member || (verb !== 'remove' && !role)) throw refused(failed)
    await it.parts.stores.repos.setMember(
      repo.id,
      member.id,
      verb === 'remove' ? null : (role ?? null),
    )
    const who = nameOf(it, type)
    const message = {
      add: `${who} has been added to project successfully`,
      update: `Role for ${who.toLowerCase()} has been updated in project successfully`,
      remove: `${who} has been removed from project successfully`,
    }[verb]
    it.done('project', repo.seq, message)
  }
}

export const projectMemberRoutes: readonly AbfRoute[] = [
  ['GET', 'projects/:id/members', listMembers],
  ['PUT', 'projects/:id/add_member', setMember('add')],
  ['PUT', 'projects/:id/update_member', setMember('update')],
  ['DELETE', 'projects/:id/remove_member', setMember('remove')],
]
