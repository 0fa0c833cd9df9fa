import { expect, test } from 'vitest'
import { type AbfHub, startAbfHub } from '../support/abf.js'
import type { ApiReply, TestUser } from '../support/hub.js'

/* Every example request of the repositories API (seed 004), with what abf.md 3 says about its answer. */

const done = (id: number, message: string) => ({ repository: { id, message } })

/** Status, headers that every answer has, and the whole body. */
function expectReply(reply: ApiReply, status: number, body: unknown): void {
  expect([reply.status, reply.json]).toEqual([status, body])
  const header = (name: string) => reply.headers.get(name)
  expect(header('content-type')).toBe('application/json; charset=utf-8')
  expect(header('etag')).toMatch(/^"[0-9a-f]{32}"$/)
  expect(Number(header('x-ratelimit-remaining'))).toBeLessThan(Number(header('x-ratelimit-limit')))
}

async function stamps(hub: AbfHub, id: number) {
  const { created_at, updated_at } = (await hub.abf(hub.ivan, 'GET', `repositories/${id}.json`))
    .json.repository
  expect(Math.abs(created_at - Date.now() / 1000)).toBeLessThan(60)
  return { created_at, updated_at }
}

test('GET /repositories/:id.json', async () => {
  const hub = await startAbfHub()
  const id = hub.repositoryId
  const body = {
    repository: {
      id,
      name: 'main',
      description: 'core packages',
      publish_without_qa: true,
      publish_builds_only_from_branch: null,
      ...(await stamps(hub, id)),
      platform: {
        id: hub.platformId,
        name: 'rosa2012',
        visibility: 'open',
        platform_type: 'main',
        url: `/api/v1/platforms/${hub.platformId}.json`,
      },
      url: `/api/v1/repositories/${id}.json`,
    },
  }
  expectReply(await hub.abf(hub.eve, 'GET', `repositories/${id}.json`), 200, body)
  expectReply(await hub.abf(hub.eve, 'GET', `repositories/${id}`), 200, body)
})

test('GET /repositories/:id/projects.json: fields, pages, Link, an empty page past the end', async () => {
  const hub = await startAbfHub()
  const id = hub.repositoryId
  const projects: Record<string, number> = {}
  for (const name of ['tools', 'acl', 'zlib']) {
    projects[name] = await hub.project(hub.ivan, name)
    await hub.abf(hub.ivan, 'PUT', `repositories/${id}/add_project.json`, {
      project_id: projects[name],
    })
  }
  const host = new URL(hub.url).host
  const shown = (name: string) => ({
    id: projects[name],
    name,
    visibility: 'open',
    fullname: `ivan/${name}`,
    url: `/api/v1/projects/${projects[name]}.json`,
    git_url: `http://eve@${host}/ivan/${name}.git`,
    ssh_url: `git@127.0.0.1:ivan/${name}.git`,
    maintainer: {
      id: hub.ivan.user.id,
      uname: 'ivan',
      name: 'ivan',
      email: 'ivan@example.org',
      url: `/api/v1/users/${hub.ivan.user.id}.json`,
    },
  })
  const body = (...names: string[]) => ({
    repository: {
      id,
      name: 'main',
      url: `/api/v1/repositories/${id}.json`,
      repo_lock: [],
      projects: names.map(shown),
    },
    url: `/api/v1/repositories/${id}/projects.json`,
  })
  const at = `repositories/${id}/projects.json`
  const whole = await hub.abf(hub.eve, 'GET', at)
  expectReply(whole, 200, body('acl', 'tools', 'zlib'))
  expect(whole.headers.get('link')).toBe(null)
  const link = (n: number, rel: string) =>
    `<${hub.url}/api/v1/${at}?page=${n}&per_page=1>; rel="${rel}"`
  const second = await hub.abf(hub.eve, 'GET', `${at}?page=2&per_page=1`)
  expectReply(second, 200, body('tools'))
  expect(second.headers.get('link')).toBe(
    [link(1, 'first'), link(1, 'prev'), link(3, 'next'), link(3, 'last')].join(', '),
  )
  const beyond = await hub.abf(hub.eve, 'GET', `${at}?page=9&per_page=1`)
  expectReply(beyond, 200, body())
  for (const odd of ['page=0', 'page=x', 'per_page=0', 'per_page=-5', 'per_page=1000'])
    expectReply(await hub.abf(hub.eve, 'GET', `${at}?${odd}`), 200, body('acl', 'tools', 'zlib'))
})

test('PUT /repositories/:id.json', async () => {
  const hub = await startAbfHub()
  const id = hub.repositoryId
  const at = `repositories/${id}.json`
  const repository = {
    description: 'new text',
    publish_without_qa: false,
    publish_builds_only_from_branch: 'rosa2012',
    name: 'renamed',
    platform_id: 1,
    unknown: 'x',
  }
  const updated = done(id, 'Repository has been updated successfully')
  expectReply(await hub.abf(hub.ivan, 'PUT', at, { repository }), 200, updated)
  const after = (await hub.abf(hub.eve, 'GET', at)).json.repository
  expect(after).toMatchObject({
    name: 'main',
    description: 'new text',
    publish_without_qa: false,
    publish_builds_only_from_branch: 'rosa2012',
    platform: { id: hub.platformId },
  })
  // without the wrapper nothing changes, and ABF says it went well
  expectReply(await hub.abf(hub.ivan, 'PUT', at, { description: 'no' }), 200, updated)
  expectReply(await hub.abf(hub.ivan, 'PUT', at), 200, updated)
  expect((await hub.abf(hub.eve, 'GET', at)).json.repository).toEqual(after)
})

test('POST /repositories.json', async () => {
  const hub = await startAbfHub()
  const repository = {
    platform_id: hub.platformId,
    name: 'contrib',
    description: 'contributed packages',
    publish_without_qa: false,
    publish_builds_only_from_branch: 'rosa2012',
  }
  const made = await hub.abf(hub.ivan, 'POST', 'repositories.json', { repository })
  const { id } = made.json.repository
  expectReply(made, 200, done(id, 'Repository has been created successfully'))
  const { platform_id: _, ...rest } = repository
  expect((await hub.abf(hub.eve, 'GET', `repositories/${id}.json`)).json.repository).toMatchObject({
    ...rest,
    platform: { id: hub.platformId },
  })
  const flat = { platform_id: String(hub.platformId), name: 'non-free', description: 'x' }
  const second = await hub.abf(hub.root, 'POST', 'repositories.json', flat)
  expect(second.status).toBe(200)
  const { publish_without_qa } = (
    await hub.abf(hub.eve, 'GET', `repositories/${second.json.repository.id}.json`)
  ).json.repository
  expect(publish_without_qa).toBe(true)
})

test('DELETE /repositories/:id.json; main of a personal platform stays', async () => {
  const hub = await startAbfHub()
  const id = hub.repositoryId
  const gone = await hub.abf(hub.ivan, 'DELETE', `repositories/${id}.json`)
  expectReply(gone, 200, done(id, 'Repository has been destroyed successfully'))
  expectReply(await hub.abf(hub.ivan, 'GET', `repositories/${id}.json`), 404, {
    status: 404,
    message: 'Error 404. Resource not found!',
  })
  const personal = (await hub.abf(hub.ivan, 'GET', 'platforms/ivan_personal.json')).json.platform
  expect(personal).toMatchObject({ platform_type: 'personal', default_branch: 'ivan_personal' })
  const [main] = personal.repositories
  expect([main.name, personal.repositories.length]).toEqual(['main', 1])
  for (const who of [hub.ivan, hub.root])
    expectReply(await hub.abf(who, 'DELETE', `repositories/${main.id}.json`), 403, {
      message: 'Access violation to this page!',
    })
  const again = { platform_id: personal.id, name: 'main', description: 'x' }
  expect((await hub.abf(hub.root, 'POST', 'repositories.json', { repository: again })).status).toBe(
    403,
  )
})

test('PUT …/add_member.json and DELETE …/remove_member.json, users and groups', async () => {
  const hub = await startAbfHub()
  const id = hub.repositoryId
  const eve = hub.eve.user.id
  const group = (
    await hub.abf(hub.ivan, 'POST', 'groups.json', { group: { uname: 'devs', description: 'd' } })
  ).json.group.id
  const add = (body: object, who: TestUser = hub.ivan) =>
    hub.abf(who, 'PUT', `repositories/${id}/add_member.json`, body)
  const remove = (body: object | undefined, query = '') =>
    hub.abf(hub.ivan, 'DELETE', `repositories/${id}/remove_member.json${query}`, body)

  const user = { member_id: eve, type: 'User' }
  const added = done(id, `User '${eve}' has been added to repository successfully`)
  expectReply(await add(user), 200, added)
  expectReply(await add(user), 200, added)
  const groupAdded = done(id, `Group '${group}' has been added to repository successfully`)
  expectReply(await add({ member_id: String(group), type: 'Group' }), 200, groupAdded)
  const removed = done(id, `User '${eve}' has been removed from repository successfully`)
  expectReply(await remove(user), 200, removed)
  expectReply(await remove(undefined, `?member_id=${eve}&type=User`), 200, removed)
  const groupRemoved = done(id, `Group '${group}' has been removed from repository successfully`)
  expectReply(await remove({ member_id: group, type: 'Group' }), 200, groupRemoved)

  const personal = (await hub.abf(hub.ivan, 'GET', 'platforms/ivan_personal.json')).json.platform
  const [main] = personal.repositories
  const denied = await hub.abf(hub.root, 'PUT', `repositories/${main.id}/add_member.json`, user)
  expectReply(denied, 403, { message: 'Access violation to this page!' })
})

test('what membership gives: adding and removing projects, nothing else', async () => {
  const hub = await startAbfHub()
  const id = hub.repositoryId
  const project_id = await hub.project(hub.eve, 'mc')
  const link = () => hub.abf(hub.eve, 'PUT', `repositories/${id}/add_project.json`, { project_id })
  expect((await link()).status).toBe(403)
  const group = { uname: 'devs', description: 'd' }
  const groupId = (await hub.abf(hub.eve, 'POST', 'groups.json', { group })).json.group.id
  await hub.abf(hub.ivan, 'PUT', `repositories/${id}/add_member.json`, {
    member_id: groupId,
    type: 'Group',
  })
  expect((await link()).status).toBe(200)
  const drop = await hub.abf(hub.eve, 'DELETE', `repositories/${id}/remove_project.json`, {
    project_id,
  })
  expect(drop.status).toBe(200)
  const repository = { description: 'mine' }
  const calls: [string, string, unknown][] = [
    ['PUT', `repositories/${id}.json`, { repository }],
    ['DELETE', `repositories/${id}.json`, undefined],
    ['PUT', `repositories/${id}/add_member.json`, { member_id: hub.eve.user.id, type: 'User' }],
    ['PUT', `repositories/${id}/signatures.json`, { repository: {} }],
    ['PUT', `repositories/${id}/add_repo_lock_file.json`, undefined],
    ['GET', `repositories/${id}/packages.csv`, undefined],
  ]
  for (const [method, path, body] of calls)
    expect([path, (await hub.abf(hub.eve, method, path, body)).status]).toEqual([path, 403])
})

test('PUT …/add_project.json and DELETE …/remove_project.json', async () => {
  const hub = await startAbfHub()
  const id = hub.repositoryId
  const mc = await hub.project(hub.ivan, 'mc')
  const other = await hub.project(hub.eve, 'mc')
  const hidden = await hub.project(hub.eve, 'secret', 'hidden')
  const contrib = (
    await hub.abf(hub.ivan, 'POST', 'repositories.json', {
      repository: { platform_id: hub.platformId, name: 'contrib', description: 'c' },
    })
  ).json.repository.id
  const add = (to: number, project_id: unknown) =>
    hub.abf(hub.ivan, 'PUT', `repositories/${to}/add_project.json`, { project_id })
  const remove = (project_id: unknown) =>
    hub.abf(hub.ivan, 'DELETE', `repositories/${id}/remove_project.json`, { project_id })

  expectReply(
    await add(id, mc),
    200,
    done(id, `Project '${mc}' has been added to repository successfully`),
  )
  const taken = {
    repository: {
      id: null,
      message:
        'Project adding error. A project with such name already exists in one repository of platform. Remove the old project first. Project has already been taken',
    },
  }
  for (const [to, project] of [
    [id, mc],
    [contrib, mc],
    [contrib, other],
  ] as const)
    expectReply(await add(to, project), 422, taken)
  expectReply(await add(id, 99_999), 422, {
    repository: { id: null, message: 'Project has not been added to repository' },
  })
  expectReply(await add(id, hidden), 422, {
    repository: { id: null, message: 'You have no access to read this project' },
  })
  const removed = done(id, `Project '${mc}' has been removed from repository successfully`)
  expectReply(await remove(mc), 200, removed)
  expectReply(await remove(mc), 200, removed)
  expectReply(
    await remove('nonsense'),
    200,
    done(id, "Project 'nonsense' has been removed from repository successfully"),
  )
  expectReply(
    await add(contrib, other),
    200,
    done(contrib, `Project '${other}' has been added to repository successfully`),
  )
})

test('a project that would clash keeps its name; personal platforms never stand in the way', async () => {
  const hub = await startAbfHub()
  await hub.project(hub.ivan, 'mc')
  const two = await hub.project(hub.ivan, 'far')
  const ids = [await hub.project(hub.eve, 'mc'), two]
  for (const project_id of ids)
    await hub.abf(hub.ivan, 'PUT', `repositories/${hub.repositoryId}/add_project.json`, {
      project_id,
    })
  const rename = (from: string, to: string) =>
    hub.api('/api/repos/move', {
      as: hub.ivan,
      body: { fromRepo: `ivan/${from}`, toRepo: `ivan/${to}`, type: 'model' },
    })
  expect((await rename('far', 'MC2')).status).toBe(200)
  expect((await rename('mc', 'mc-old')).status).toBe(200)
  const clash = await rename('MC2', 'Mc')
  expect([clash.status, clash.text]).toEqual([409, expect.stringContaining('another project')])
  // a dataset may have a model's name, so on the personal platform one of the two is not a project
  const dataset = { name: 'mc-old', type: 'dataset' }
  expect((await hub.api('/api/repos/create', { as: hub.ivan, body: dataset })).status).toBe(200)
  const body = { fromRepo: 'ivan/mc-old', toRepo: 'ivan/mc3', type: 'dataset' }
  expect((await hub.api('/api/repos/move', { as: hub.ivan, body })).status).toBe(200)
  const back = { ...body, fromRepo: 'ivan/mc3', toRepo: 'ivan/mc-old' }
  expect((await hub.api('/api/repos/move', { as: hub.ivan, body: back })).status).toBe(200)
})

test('.repo.lock: both calls, idempotent', async () => {
  const hub = await startAbfHub()
  const id = hub.repositoryId
  const added = done(id, "'.repo.lock' file has been added to repository successfully")
  const removed = done(id, "'.repo.lock' file has been removed from repository successfully")
  for (let n = 0; n < 2; n += 1)
    expectReply(
      await hub.abf(hub.ivan, 'PUT', `repositories/${id}/add_repo_lock_file.json`),
      200,
      added,
    )
  for (let n = 0; n < 2; n += 1)
    expectReply(
      await hub.abf(hub.ivan, 'DELETE', `repositories/${id}/remove_repo_lock_file.json`),
      200,
      removed,
    )
  const personal = (await hub.abf(hub.ivan, 'GET', 'platforms/ivan_personal.json')).json.platform
  const own = `repositories/${personal.repositories[0].id}/add_repo_lock_file.json`
  expect((await hub.abf(hub.ivan, 'PUT', own)).status).toBe(403)
  expect((await hub.abf(hub.root, 'PUT', own)).status).toBe(200)
})
