import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import Database from 'better-sqlite3'
import { expect, test } from 'vitest'
import { startAbfHub } from '../support/abf.js'
import { gitOk, startTestHub, tempDir } from '../support/hub.js'

/* What ABF's callers need besides repositories (abf.md 5): ids to learn, things to make. */

test('platforms: list, show, change, members, delete', async () => {
  const hub = await startAbfHub()
  const { abf, ivan, eve, root, platformId: id, repositoryId } = hub
  const owner = {
    id: ivan.user.id,
    name: 'ivan',
    uname: 'ivan',
    type: 'User',
    url: `/api/v1/users/${ivan.user.id}.json`,
  }
  const repositories = [
    { id: repositoryId, name: 'main', url: `/api/v1/repositories/${repositoryId}.json` },
  ]
  const list = await abf(eve, 'GET', 'platforms.json?type=main')
  expect(list.json).toEqual({
    platforms: [
      {
        id,
        name: 'rosa2012',
        visibility: 'open',
        platform_type: 'main',
        url: `/api/v1/platforms/${id}.json`,
        owner,
        repositories,
      },
    ],
    url: '/api/v1/platforms.json',
  })
  const personal = await abf(eve, 'GET', 'platforms.json?type=personal')
  expect(personal.json.platforms.map((it: { name: string }) => it.name)).toEqual([
    'eve_personal',
    'ivan_personal',
    'root_admin_personal',
  ])
  const shown = (await abf(eve, 'GET', 'platforms/ROSA2012.json')).json.platform
  expect(shown).toEqual({
    id,
    name: 'rosa2012',
    description: 'ROSA 2012',
    parent_platform_id: null,
    created_at: expect.any(Number),
    updated_at: expect.any(Number),
    released: false,
    visibility: 'open',
    platform_type: 'main',
    distrib_type: 'mdv',
    default_branch: 'rosa2012',
    owner,
    repositories,
    products: [],
    url: `/api/v1/platforms/${id}.json`,
  })
  const platform = { description: 'changed' }
  expect((await abf(eve, 'PUT', `platforms/${id}.json`, { platform })).status).toBe(403)
  expect((await abf(ivan, 'PUT', `platforms/${id}.json`, { platform })).json).toEqual({
    platform: { id, message: 'Platform has been updated successfully' },
  })
  const member = { member_id: eve.user.id, type: 'User' }
  expect((await abf(ivan, 'PUT', `platforms/${id}/add_member.json`, member)).json).toEqual({
    platform: { id, message: `User '${eve.user.id}' has been added to platform successfully` },
  })
  expect((await abf(eve, 'GET', `platforms/${id}/members.json`)).json).toEqual({
    platform: {
      id,
      members: [
        {
          id: eve.user.id,
          name: 'eve',
          uname: 'eve',
          type: 'User',
          url: `/api/v1/users/${eve.user.id}.json`,
          role: 'admin',
        },
      ],
    },
    url: `/api/v1/platforms/${id}/members.json`,
  })
  expect((await abf(ivan, 'DELETE', `platforms/${id}/remove_member.json`, member)).status).toBe(200)
  expect((await abf(eve, 'GET', `platforms/${id}/members.json`)).status).toBe(403)
  const own = personal.json.platforms[1].id
  expect((await abf(root, 'DELETE', `platforms/${own}.json`)).status).toBe(403)
  expect((await abf(ivan, 'DELETE', `platforms/${id}.json`)).status).toBe(200)
  expect((await abf(ivan, 'GET', `repositories/${repositoryId}.json`)).status).toBe(404)
  const arches = (await abf(eve, 'GET', 'arches.json')).json.architectures
  expect(arches).toContainEqual({ id: expect.any(Number), name: 'x86_64' })
})

test('projects: create, look up, show, change, refs, members, delete', async () => {
  const hub = await startAbfHub()
  const { abf, ivan, eve, repositoryId } = hub
  const made = await abf(ivan, 'POST', 'projects.json', {
    project: { name: 'mc', description: 'files', visibility: 'hidden', has_wiki: true },
  })
  const { id } = made.json.project
  expect(made.json).toEqual({ project: { id, message: 'Project has been created successfully' } })
  await abf(ivan, 'PUT', `repositories/${repositoryId}/add_project.json`, { project_id: id })
  const host = new URL(hub.url).host
  const found = await abf(ivan, 'GET', 'projects/get_id.json?owner=ivan&name=mc')
  const owner = { id: ivan.user.id, name: 'ivan', uname: 'ivan', type: 'User' }
  const ownerShape = { ...owner, url: `/api/v1/users/${owner.id}.json` }
  expect(found.json).toEqual({
    project: {
      id,
      name: 'mc',
      fullname: 'ivan/mc',
      visibility: 'hidden',
      owner: ownerShape,
      url: `/api/v1/projects/${id}.json`,
      git_url: `http://ivan@${host}/ivan/mc.git`,
    },
  })
  expect((await abf(eve, 'GET', `projects/${id}.json`)).status).toBe(403)
  const member = { member_id: eve.user.id, type: 'User', role: 'reader' }
  expect((await abf(ivan, 'PUT', `projects/${id}/add_member.json`, member)).json).toEqual({
    project: { id, message: `User '${eve.user.id}' has been added to project successfully` },
  })
  const shown = (await abf(eve, 'GET', `projects/${id}.json`)).json.project
  const personal = (await abf(ivan, 'GET', 'platforms/ivan_personal.json')).json.platform
  expect(shown).toEqual({
    id,
    name: 'mc',
    fullname: 'ivan/mc',
    git_url: `http://eve@${host}/ivan/mc.git`,
    ssh_url: 'git@127.0.0.1:ivan/mc.git',
    visibility: 'hidden',
    description: 'files',
    ancestry: null,
    has_issues: true,
    has_wiki: true,
    default_branch: 'master',
    is_package: true,
    publish_i686_into_x86_64: false,
    average_build_time: 0,
    created_at: expect.any(Number),
    updated_at: expect.any(Number),
    url: `/api/v1/projects/${id}.json`,
    maintainer: {
      id: ivan.user.id,
      uname: 'ivan',
      name: 'ivan',
      email: 'ivan@example.org',
      url: `/api/v1/users/${ivan.user.id}.json`,
    },
    owner: ownerShape,
    repositories: expect.any(Array),
    project_statistics: [],
  })
  const shelves = shown.repositories.map((it: { platform: { name: string } }) => it.platform.name)
  expect(shelves.sort()).toEqual(['ivan_personal', 'rosa2012'])
  expect(personal.repositories[0].id).toBe(
    shown.repositories.find((it: { platform: { name: string } }) => it.platform.name !== 'rosa2012')
      .id,
  )
  const update = { ...member, role: 'writer' }
  expect((await abf(ivan, 'PUT', `projects/${id}/update_member.json`, update)).json).toEqual({
    project: {
      id,
      message: `Role for user '${eve.user.id}' has been updated in project successfully`,
    },
  })
  expect((await abf(ivan, 'GET', `projects/${id}/members.json`)).json.project.members).toEqual([
    expect.objectContaining({ uname: 'eve', role: 'writer' }),
  ])
  expect((await abf(eve, 'GET', 'projects.json')).json.projects[0].fullname).toBe('ivan/mc')

  const dir = await tempDir()
  await gitOk(dir, ['clone', hub.gitUrl('ivan/mc.git', eve), 'work'])
  const work = join(dir, 'work')
  await writeFile(join(work, 'a'), 'a')
  await gitOk(work, ['add', '.'])
  await gitOk(work, ['commit', '-m', 'a'])
  await gitOk(work, ['tag', '-a', '1.0', '-m', 'x'])
  await gitOk(work, ['push', 'origin', 'HEAD:master', 'HEAD:next', '1.0'])
  const sha = await gitOk(work, ['rev-parse', 'HEAD'])
  expect((await abf(ivan, 'GET', `projects/${id}/refs_list.json`)).json).toEqual({
    refs_list: [
      { ref: 'master', object: { type: 'commit', sha } },
      { ref: 'next', object: { type: 'commit', sha } },
      { ref: '1.0', object: { type: 'tag', sha } },
    ],
    url: `/api/v1/projects/${id}/refs_list.json`,
  })

  const project = {
    is_package: false,
    default_branch: 'next',
    visibility: 'open',
    description: 'd',
  }
  expect((await abf(eve, 'PUT', `projects/${id}.json`, { project })).status).toBe(403)
  expect((await abf(ivan, 'PUT', `projects/${id}.json`, { project })).status).toBe(200)
  const after = (await abf(hub.root, 'GET', `projects/${id}.json`)).json.project
  expect(after).toMatchObject(project)
  expect(after.repositories).toHaveLength(1)
  expect((await abf(ivan, 'DELETE', `projects/${id}/remove_member.json`, member)).status).toBe(200)
  expect((await abf(ivan, 'DELETE', `projects/${id}.json`)).json.project.message).toBe(
    'Project has been destroyed successfully',
  )
  expect((await abf(ivan, 'GET', `projects/${id}.json`)).status).toBe(404)
})

test('groups, users, search', async () => {
  const hub = await startAbfHub()
  const { abf, ivan, eve } = hub
  const made = await abf(ivan, 'POST', 'groups.json', {
    group: { uname: 'devs', description: 'd' },
  })
  const { id } = made.json.group
  const shape = {
    id,
    uname: 'devs',
    own_projects_count: 0,
    description: 'd',
    created_at: expect.any(Number),
    updated_at: expect.any(Number),
    owner: expect.objectContaining({ uname: 'ivan' }),
    avatar_url: '/api/organizations/devs/avatar',
    url: `/api/v1/groups/${id}.json`,
    html_url: '/devs',
  }
  expect((await abf(eve, 'GET', 'groups/devs.json')).json).toEqual({ group: shape })
  expect((await abf(ivan, 'GET', 'groups.json')).json.groups).toEqual([shape])
  expect((await abf(eve, 'GET', 'groups.json')).json.groups).toEqual([])
  expect((await abf(eve, 'GET', 'platforms/devs_personal.json')).json.platform.owner.type).toBe(
    'Group',
  )
  const who = { member_id: eve.user.id }
  expect((await abf(eve, 'PUT', `groups/${id}/add_member.json`, who)).status).toBe(403)
  const add = await abf(ivan, 'PUT', `groups/${id}/add_member.json`, { ...who, role: 'writer' })
  expect(add.json.group.message).toBe(`User '${eve.user.id}' has been added to group successfully`)
  const made2 = await abf(eve, 'POST', 'projects.json', {
    project: { name: 'shared', owner_id: id, owner_type: 'Group' },
  })
  expect(made2.status).toBe(200)
  await abf(ivan, 'PUT', `groups/${id}/update_member.json`, { ...who, role: 'reader' })
  const members = (await abf(eve, 'GET', `groups/${id}/members.json`)).json.group.members
  expect(members.map((it: { uname: string; role: string }) => [it.uname, it.role])).toEqual([
    ['eve', 'reader'],
    ['ivan', 'admin'],
  ])
  expect((await abf(ivan, 'DELETE', `groups/${id}.json`)).status).toBe(422)
  await abf(ivan, 'DELETE', `groups/${id}/remove_member.json`, who)
  await abf(ivan, 'PUT', `groups/${id}.json`, { group: { description: 'other' } })
  expect((await abf(ivan, 'GET', `groups/${id}.json`)).json.group.description).toBe('other')

  const user = { name: 'Ivan A.', location: 'Moscow', language: 'ru' }
  expect((await abf(ivan, 'PUT', 'user.json', { user })).status).toBe(200)
  const shown = (await abf(eve, 'GET', 'users/ivan.json')).json.user
  expect(shown).toEqual({
    id: ivan.user.id,
    uname: 'ivan',
    email: 'ivan@example.org',
    own_projects_count: 0,
    professional_experience: null,
    site: null,
    company: null,
    build_priority: 50,
    created_at: expect.any(Number),
    updated_at: expect.any(Number),
    avatar_url: '/api/users/ivan/avatar',
    url: `/api/v1/users/${ivan.user.id}.json`,
    html_url: '/ivan',
    ...user,
  })
  expect((await abf(ivan, 'GET', 'user.json')).json.user).toEqual({ ...shown, role: '' })
  expect((await abf(hub.root, 'GET', 'user.json')).json.user.role).toBe('admin')

  const results = (await abf(eve, 'GET', 'search.json?query=DEV')).json.results
  expect(results).toEqual({
    users: [],
    groups: [{ id, uname: 'devs', name: 'devs', url: `/api/v1/groups/${id}.json` }],
    platforms: [expect.objectContaining({ name: 'devs_personal' })],
    projects: [expect.objectContaining({ fullname: 'devs/shared' })],
  })
  const wild = (await abf(eve, 'GET', 'search.json?query=%25&type=users')).json.results
  expect(wild).toEqual({ users: [] })
})

test('accounts and repositories from before get their personal platform on the first call, once', async () => {
  const first = await startAbfHub()
  await first.project(first.ivan, 'old')
  await first.close()
  const db = new Database(join(first.dataDir, 'packhorse.sqlite'))
  db.exec("delete from platform where type = 'personal'")
  db.close()
  const hub = await startTestHub({ PACKHORSE_DATA: first.dataDir })
  const get = async (path: string) => (await hub.api(`/api/v1/${path}`, { as: first.ivan })).json
  await Promise.all([get('platforms.json'), get('platforms.json'), get('user.json')])
  const { platforms } = await get('platforms.json?type=personal')
  expect(platforms).toHaveLength(3)
  const main = platforms.find((it: { name: string }) => it.name === 'ivan_personal').repositories[0]
  const { projects } = (await get(`repositories/${main.id}/projects.json`)).repository
  expect(projects.map((it: { fullname: string }) => it.fullname)).toEqual(['ivan/old'])
  await hub.domain.packages.stores.platforms.ensurePersonal()
  expect((await get('platforms.json')).platforms).toHaveLength(4)
})
