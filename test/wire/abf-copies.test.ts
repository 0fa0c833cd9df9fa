import { randomBytes } from 'node:crypto'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { type AbfHub, startAbfHub } from '../support/abf.js'
import { commitFiles, initWork } from '../support/git-work.js'
import { git, gitOk, type TestUser, tempDir } from '../support/hub.js'

const message = (reply: { json: Record<string, { id: number | null; message: string }> }) =>
  Object.values(reply.json)[0]?.message

/** A project of ivan's with two branches, a tag, an LFS file and a merge proposal that only the source has. */
async function tools(hub: AbfHub, visibility: 'open' | 'hidden' = 'open') {
  const seq = await hub.project(hub.ivan, 'tools', visibility)
  const dir = await tempDir()
  const work = await initWork(dir, 'work', { files: { 'a.txt': 'a\n' } })
  await gitOk(work, ['lfs', 'install', '--local'])
  await gitOk(work, ['lfs', 'track', '*.bin'])
  const weights = randomBytes(4_000)
  await writeFile(join(work, 'w.bin'), weights)
  await commitFiles(work, {})
  await gitOk(work, ['branch', 'side'])
  await gitOk(work, ['tag', '-a', '-m', 'one', 'v1'])
  await commitFiles(work, { 'a.txt': 'b\n' })
  await gitOk(work, ['push', '-q', hub.gitUrl('ivan/tools.git', hub.ivan), 'main', 'side', 'v1'])
  return { seq, dir, work, weights }
}

const remote = async (hub: AbfHub, path: string, as: TestUser) =>
  gitOk(await tempDir(), ['ls-remote', '--heads', '--tags', hub.gitUrl(path, as)])

test('a fork has branches, tags, history and LFS objects, and goes its own way from there', async () => {
  const hub = await startAbfHub({ PACKHORSE_JOB_INTERVAL_MS: '20' })
  const { seq, dir, work } = await tools(hub)
  const reply = await hub.abf(hub.eve, 'POST', `projects/${seq}/fork.json`, {})
  expect(reply.status).toBe(200)
  const id = reply.json.project.id
  expect(reply.json.project.message).toBe('Project has been forked successfully')
  const { project } = (await hub.abf(hub.eve, 'GET', `projects/${id}.json`)).json
  expect(project).toMatchObject({ name: 'tools', fullname: 'eve/tools', visibility: 'open' })
  expect(await remote(hub, 'eve/tools.git', hub.eve)).toBe(
    await remote(hub, 'ivan/tools.git', hub.ivan),
  )
  // the job that takes along what nobody reaches has run, and the copy is whole
  await hub.domain.jobs.drain()
  await gitOk(dir, ['clone', '-q', hub.gitUrl('eve/tools.git', hub.eve), 'fork'])
  await gitOk(join(dir, 'fork'), ['lfs', 'fetch', '--all'])
  expect(await gitOk(join(dir, 'fork'), ['lfs', 'fsck'])).toContain('OK')
  expect(await gitOk(join(dir, 'fork'), ['rev-parse', 'HEAD'])).toBe(
    await gitOk(work, ['rev-parse', 'main']),
  )
  await commitFiles(join(dir, 'fork'), { 'mine.txt': 'm\n' })
  await gitOk(join(dir, 'fork'), ['push', '-q'])
  const [ours, theirs] = [
    await remote(hub, 'eve/tools.git', hub.eve),
    await remote(hub, 'ivan/tools.git', hub.ivan),
  ]
  expect(ours).not.toBe(theirs)
  // the source's bytes are its own, too
  expect((await hub.abf(hub.ivan, 'DELETE', `projects/${seq}.json`)).status).toBe(200)
  await hub.domain.jobs.drain()
  await gitOk(dir, ['clone', '-q', hub.gitUrl('eve/tools.git', hub.eve), 'again'])
}, 120_000)

test('forks: into a group, under another name, and who may not', async () => {
  const hub = await startAbfHub()
  const { seq } = await tools(hub, 'hidden')
  const group = await hub.abf(hub.ivan, 'POST', 'groups.json', { group: { uname: 'team' } })
  const group_id = group.json.group.id
  const fork = (as: TestUser, body: unknown) =>
    hub.abf(as, 'POST', `projects/${seq}/fork.json`, body)
  expect((await fork(hub.ivan, { group_id, fork_name: 'tools2' })).status).toBe(200)
  const got = await hub.abf(hub.ivan, 'GET', 'projects/get_id.json?owner=team&name=tools2')
  expect(got.json.project).toMatchObject({ fullname: 'team/tools2', visibility: 'hidden' })

  // hidden from eve: she may not fork it, and no group of others takes anything from her
  expect([(await fork(hub.eve, {})).status, (await fork(hub.eve, { group_id })).status]).toEqual([
    403, 403,
  ])
  await hub.abf(hub.ivan, 'PUT', `projects/${seq}/add_member.json`, {
    member_id: hub.eve.user.id,
    type: 'User',
    role: 'reader',
  })
  expect((await fork(hub.eve, { group_id })).status).toBe(403)
  expect((await fork(hub.eve, {})).status).toBe(200)
  // a reader forks; what is made stays hidden
  const own = await hub.abf(hub.eve, 'GET', 'projects/get_id.json?owner=eve&name=tools')
  expect(own.json.project.visibility).toBe('hidden')

  for (const [body, said] of [
    [{}, 'Project has not been forked'],
    [{ fork_name: '../x' }, 'Project has not been forked'],
    [{ fork_name: 7 }, 'Project has not been forked. Name is invalid'],
    [{ group_id: 999_999 }, "Project has not been forked. Owner can't be blank"],
    [{ group_id: hub.eve.user.id }, "Project has not been forked. Owner can't be blank"],
  ] as const) {
    const reply = await fork(hub.ivan, body)
    expect([reply.status, reply.json.project.id], JSON.stringify(body)).toEqual([422, null])
    expect(message(reply)).toContain(said)
  }
  expect((await hub.abf(hub.ivan, 'POST', 'projects/999999/fork.json', {})).status).toBe(404)
  const count = await hub.domain.stores.repos.count({})
  expect(count).toBe(3)
}, 120_000)

test('an alias leads to the same project, and gives nobody a right', async () => {
  const hub = await startAbfHub()
  const { seq, work } = await tools(hub, 'hidden')
  const group = await hub.abf(hub.ivan, 'POST', 'groups.json', { group: { uname: 'team' } })
  const group_id = group.json.group.id
  const alias = (as: TestUser, body: unknown) =>
    hub.abf(as, 'POST', `projects/${seq}/alias.json`, body)
  const made = await alias(hub.ivan, { group_id, fork_name: 'kit' })
  expect(made.json).toEqual({
    project: { id: seq, message: 'Project has been aliased successfully' },
  })
  expect(await remote(hub, 'team/kit.git', hub.ivan)).toBe(
    await remote(hub, 'ivan/tools.git', hub.ivan),
  )
  await commitFiles(work, { 'c.txt': 'c\n' })
  await gitOk(work, ['push', '-q', hub.gitUrl('team/kit.git', hub.ivan), 'main'])
  expect(await remote(hub, 'ivan/tools.git', hub.ivan)).toContain(
    await gitOk(work, ['rev-parse', 'main']),
  )
  const peek = await git(await tempDir(), ['ls-remote', hub.gitUrl('team/kit.git', hub.eve)])
  expect(peek.code).not.toBe(0)
  expect((await alias(hub.eve, {})).status).toBe(403)
  // a name that is taken stays with who has it
  await hub.project(hub.eve, 'mine')
  expect((await alias(hub.ivan, { group_id, fork_name: '..' })).status).toBe(422)
  const taken = await alias(hub.ivan, {})
  expect([taken.status, taken.json.project.id]).toEqual([422, null])
  // and whoever is given the alias's name by the group gets it
  expect(
    (
      await hub.abf(hub.ivan, 'POST', 'projects.json', {
        project: { name: 'kit', owner_id: group_id, owner_type: 'Group' },
      })
    ).status,
  ).toBe(200)
  expect(await remote(hub, 'team/kit.git', hub.ivan)).toBe('')
}, 120_000)

test('a group as a member of a project: everybody in it has its role, and loses it with it', async () => {
  const hub = await startAbfHub()
  const { seq, work } = await tools(hub, 'hidden')
  const group = await hub.abf(hub.ivan, 'POST', 'groups.json', { group: { uname: 'team' } })
  const member = { member_id: group.json.group.id, type: 'Group' }
  await hub.abf(hub.ivan, 'PUT', `groups/team/add_member.json`, {
    member_id: hub.eve.user.id,
    role: 'reader',
  })
  const sees = async () => (await hub.abf(hub.eve, 'GET', `projects/${seq}.json`)).status
  const push = async () => {
    await commitFiles(work, {}, 'try')
    return (await git(work, ['push', '-q', hub.gitUrl('ivan/tools.git', hub.eve), 'main'])).code
  }
  const set = (verb: string, body: object) =>
    hub.abf(hub.ivan, verb === 'remove_member' ? 'DELETE' : 'PUT', `projects/${seq}/${verb}.json`, {
      ...member,
      ...body,
    })
  expect([await sees(), await push()]).toEqual([403, 128])
  const who = `Group '${member.member_id}'`
  expect(message(await set('add_member', { role: 'reader' }))).toBe(
    `${who} has been added to project successfully`,
  )
  const { members } = (await hub.abf(hub.ivan, 'GET', `projects/${seq}/members.json`)).json.project
  expect(members).toMatchObject([{ id: member.member_id, type: 'Group', role: 'reader' }])
  expect([await sees(), await push()]).toEqual([200, 128])
  // in every list and dialect
  const listed = await hub.abf(hub.eve, 'GET', 'projects.json')
  expect(listed.json.projects.map((it: { id: number }) => it.id)).toContain(seq)
  const models = await hub.api('/api/models?author=ivan', { as: hub.eve })
  expect(models.json.map((it: { id: string }) => it.id)).toEqual(['ivan/tools'])

  expect(message(await set('update_member', { role: 'writer' }))).toBe(
    `Role for ${who.toLowerCase()} has been updated in project successfully`,
  )
  expect(await push()).toBe(0)
  expect((await set('add_member', { role: 'king' })).status).toBe(422)
  expect((await set('add_member', { member_id: 999_999 })).status).toBe(422)
  expect((await set('add_member', { type: 'Robot' })).status).toBe(422)
  const by = await hub.abf(hub.eve, 'PUT', `projects/${seq}/add_member.json`, member)
  expect(by.status).toBe(403)
  expect(message(await set('remove_member', {}))).toBe(
    `${who} has been removed from project successfully`,
  )
  expect([await sees(), await push()]).toEqual([403, 128])
}, 120_000)

test('platforms: a clone has the repositories and projects; clear empties a personal one', async () => {
  const hub = await startAbfHub()
  const seq = await hub.project(hub.ivan, 'tools')
  const add = { project_id: seq }
  await hub.abf(hub.ivan, 'PUT', `repositories/${hub.repositoryId}/add_project.json`, add)
  const platform = { name: 'rosa2013', description: 'next', default_branch: 'rosa2013' }
  const path = `platforms/${hub.platformId}/clone.json`
  const reply = await hub.abf(hub.root, 'POST', path, { platform })
  expect(reply.json.platform.message).toBe('Platform has been cloned successfully')
  const clone = (await hub.abf(hub.eve, 'GET', `platforms/${reply.json.platform.id}.json`)).json
  expect(clone.platform).toMatchObject({
    ...platform,
    platform_type: 'main',
    visibility: 'open',
    distrib_type: 'mdv',
    released: false,
    owner: { uname: 'root_admin' },
    repositories: [{ name: 'main' }],
  })
  const projectsOf = async (id: number) =>
    (
      await hub.abf(hub.ivan, 'GET', `repositories/${id}/projects.json`)
    ).json.repository.projects.map((it: { name: string }) => it.name)
  const copy = clone.platform.repositories[0].id
  expect(await projectsOf(copy)).toEqual(['tools'])
  // each goes its own way
  await hub.abf(hub.root, 'DELETE', `repositories/${copy}/remove_project.json`, add)
  expect([await projectsOf(copy), await projectsOf(hub.repositoryId)]).toEqual([[], ['tools']])

  for (const [as, body, status] of [
    [hub.ivan, { platform: { name: 'other' } }, 403],
    [hub.eve, { platform: { name: 'other' } }, 403],
    [hub.root, { platform }, 422],
    [hub.root, {}, 422],
    [hub.root, { platform: { name: 'x_personal' } }, 422],
    [hub.root, { platform: { name: 7, description: {} } }, 422],
    [hub.root, { platform: { name: 'a/b' } }, 422],
  ] as const) {
    const refused = await hub.abf(as, 'POST', path, body)
    expect(refused.status, JSON.stringify(body)).toBe(status)
    if (status === 422) {
      expect(refused.json.platform.id).toBe(null)
      expect(message(refused)).toContain('Platform has not been cloned')
    }
  }
  const { platforms } = (await hub.abf(hub.root, 'GET', 'platforms.json?type=main')).json
  expect(platforms).toHaveLength(2)

  const personal = (await hub.abf(hub.ivan, 'GET', 'platforms/ivan_personal.json')).json.platform
  const main = personal.repositories[0].id
  expect(await projectsOf(main)).toEqual(['tools'])
  const clear = (as: TestUser, id: number) => hub.abf(as, 'PUT', `platforms/${id}/clear.json`)
  expect((await clear(hub.eve, personal.id)).status).toBe(403)
  expect((await clear(hub.ivan, hub.platformId)).status).toBe(403)
  expect((await clear(hub.ivan, 999_999)).status).toBe(404)
  expect(await projectsOf(main)).toEqual(['tools'])
  expect(message(await clear(hub.ivan, personal.id))).toBe('Platform has been cleared successfully')
  expect(await projectsOf(main)).toEqual([])
  expect((await hub.abf(hub.ivan, 'GET', `projects/${seq}.json`)).status).toBe(200)
  expect(await projectsOf(hub.repositoryId)).toEqual(['tools'])
}, 120_000)
