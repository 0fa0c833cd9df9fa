import { request } from 'node:http'
import { expect, test } from 'vitest'
import { basic, startAbfHub } from '../support/abf.js'
import { ADMIN_TOKEN } from '../support/hub.js'

const DENIED = { message: 'Access violation to this page!' }
const MISSING = { status: 404, message: 'Error 404. Resource not found!' }

test('credentials: login or e-mail with password, token as user, token as parameter', async () => {
  const hub = await startAbfHub()
  const { ivan } = hub
  const path = `/api/v1/repositories/${hub.repositoryId}.json`
  const by = async (headers: Record<string, string>, query = '') =>
    hub.api(path + query, { headers })
  const good = [
    await by({ Authorization: basic('ivan', 'ivan-password') }),
    await by({ Authorization: basic('IVAN', 'ivan-password') }),
    await by({ Authorization: basic('Ivan@example.org', 'ivan-password') }),
    await by({ Authorization: basic(ivan.token, '') }),
    await by({}, `?authentication_token=${ivan.token}`),
    await by({ 'X-Admin-Token': ADMIN_TOKEN }),
  ]
  expect(good.map((it) => it.status)).toEqual([200, 200, 200, 200, 200, 200])
  const inBody = await hub.api(path, {
    method: 'PUT',
    body: { authentication_token: ivan.token, repository: { description: 'by body' } },
  })
  expect(inBody.json.repository.id).toBe(hub.repositoryId)

  const none = await by({})
  expect([none.status, none.json]).toEqual([
    401,
    { error: 'You need to sign in or sign up before continuing.' },
  ])
  expect(none.headers.get('www-authenticate')).toBe('Basic realm="Application"')
  const wrong = { error: 'Invalid email or password.' }
  for (const reply of [
    await by({ Authorization: basic('ivan', 'wrong') }),
    await by({ Authorization: basic('nobody', 'ivan-password') }),
    await by({}, '?authentication_token=hf_0123456789012345678901234567890123456'),
  ])
    expect([reply.status, reply.json]).toEqual([401, wrong])
  const unknown = await hub.abf(ivan, 'GET', 'nonsense.json')
  expect([unknown.status, unknown.json]).toEqual([404, MISSING])
})

test('a token in the query does not come back in links', async () => {
  const hub = await startAbfHub()
  for (const name of ['a', 'b']) await hub.project(hub.ivan, name)
  const reply = await hub.api(
    `/api/v1/projects.json?per_page=1&authentication_token=${hub.ivan.token}`,
  )
  expect(reply.headers.get('link')).toContain('rel="next"')
  expect(reply.headers.get('link')).not.toContain(hub.ivan.token)
})

test('a read-only or narrowed token changes nothing', async () => {
  const hub = await startAbfHub()
  const repo = await hub.domain.stores.repos.findBySeq(await hub.project(hub.ivan, 'mc'))
  const tokens = [
    await hub.token(hub.ivan.user, { role: 'read' }),
    await hub.token(hub.ivan.user, { role: 'write', repoIds: [repo?.id ?? ''] }),
  ]
  const at = `/api/v1/repositories/${hub.repositoryId}`
  for (const token of tokens) {
    const as = { ...hub.ivan, token }
    expect((await hub.api(`${at}.json`, { as })).status).toBe(200)
    for (const [method, path] of [
      ['PUT', `${at}.json`],
      ['DELETE', `${at}.json`],
      ['PUT', `${at}/add_repo_lock_file.json`],
      ['PUT', `${at}/add_project.json`],
    ] as const) {
      const reply = await hub.api(path, { as, method, body: {} })
      expect([path, reply.status, reply.json]).toEqual([path, 403, DENIED])
    }
  }
})

test('a hidden platform is denied to strangers and shown to each kind of member', async () => {
  const hub = await startAbfHub()
  const { abf, ivan, eve, root, repositoryId, platformId } = hub
  const path = `repositories/${repositoryId}.json`
  await abf(ivan, 'PUT', `platforms/${platformId}.json`, { platform: { visibility: 'hidden' } })
  const sees = async () => [
    (await abf(eve, 'GET', path)).status,
    (await abf(eve, 'GET', 'platforms.json?type=main')).json.platforms.length,
  ]
  const denied = await abf(eve, 'GET', path)
  expect([denied.status, denied.json]).toEqual([403, DENIED])
  expect((await abf(eve, 'GET', 'repositories/9999.json')).status).toBe(404)
  expect(await sees()).toEqual([403, 0])
  expect((await abf(root, 'GET', path)).status).toBe(200)
  const search = await abf(eve, 'GET', 'search.json?type=platforms&query=rosa2012')
  expect(search.json.results).toEqual({ platforms: [] })

  const user = { member_id: eve.user.id, type: 'User' }
  for (const target of [`platforms/${platformId}`, `repositories/${repositoryId}`]) {
    await abf(ivan, 'PUT', `${target}/add_member.json`, { ...user, role: 'reader' })
    expect(await sees()).toEqual([200, 1])
    await abf(ivan, 'DELETE', `${target}/remove_member.json`, user)
    expect(await sees()).toEqual([403, 0])
  }
  const group = { uname: 'devs', description: 'd' }
  const id = (await abf(eve, 'POST', 'groups.json', { group })).json.group.id
  const member = { member_id: id, type: 'Group' }
  await abf(ivan, 'PUT', `platforms/${platformId}/add_member.json`, { ...member, role: 'admin' })
  expect(await sees()).toEqual([200, 1])
  const update = { repository: { description: 'by a local admin' } }
  expect((await abf(eve, 'PUT', path, update)).status).toBe(200)
})

test('no list shows a hidden project to somebody who may not see it', async () => {
  const hub = await startAbfHub()
  const { abf, ivan, eve, repositoryId } = hub
  const project_id = await hub.project(ivan, 'top-secret', 'hidden')
  await abf(ivan, 'PUT', `repositories/${repositoryId}/add_project.json`, { project_id })
  const paths = [
    `repositories/${repositoryId}/projects.json`,
    'projects.json',
    'search.json?query=secret',
    'platforms.json',
    'platforms/ivan_personal.json',
    'users/ivan.json',
  ]
  for (const path of paths) {
    const text = (await abf(eve, 'GET', path)).text
    expect([path, text.includes('top-secret')]).toEqual([path, false])
  }
  expect((await abf(eve, 'GET', 'users/ivan.json')).json.user.own_projects_count).toBe(0)
  const mine = await abf(ivan, 'GET', paths[0] ?? '')
  expect(mine.json.repository.projects[0].fullname).toBe('ivan/top-secret')
  for (const path of [
    `projects/${project_id}.json`,
    'projects/get_id.json?owner=ivan&name=top-secret',
  ])
    expect((await abf(eve, 'GET', path)).status).toBe(403)
})

test('ETag: 304 for the same body, another one after a change', async () => {
  const hub = await startAbfHub()
  const path = `/api/v1/repositories/${hub.repositoryId}.json`
  // fetch would add Cache-Control: no-cache
  const get = (etag?: string) =>
    new Promise<{ status?: number | undefined; etag: string; length: number }>(
      (resolve, reject) => {
        const headers = {
          Authorization: basic('ivan', 'ivan-password'),
          ...(etag ? { 'If-None-Match': etag } : {}),
        }
        request(hub.url + path, { headers }, (res) => {
          let length = 0
          res.on('data', (chunk: Buffer) => {
            length += chunk.length
          })
          res.on('end', () =>
            resolve({ status: res.statusCode, etag: String(res.headers.etag), length }),
          )
        })
          .on('error', reject)
          .end()
      },
    )
  const first = await get()
  expect(first.status).toBe(200)
  const same = await get(first.etag)
  expect(same).toEqual({ status: 304, etag: first.etag, length: 0 })
  expect((await get(`W/${first.etag}, "x"`)).status).toBe(304)
  const repository = { description: 'other' }
  await hub.abf(hub.ivan, 'PUT', `repositories/${hub.repositoryId}.json`, { repository })
  const after = await get(first.etag)
  expect([after.status, after.etag === first.etag]).toEqual([200, false])
})

test('calls per hour: headers count down, then 403 in its own words; others go on', async () => {
  const hub = await startAbfHub({ PACKHORSE_ABF_HOURLY_CALLS: '5' })
  const path = `repositories/${hub.repositoryId}.json`
  const replies = []
  for (let n = 0; n < 7; n += 1) replies.push(await hub.abf(hub.eve, 'GET', path))
  expect(replies.map((it) => [it.status, it.headers.get('x-ratelimit-remaining')])).toEqual([
    ...[4, 3, 2, 1, 0].map((left) => [200, String(left)]),
    [403, '0'],
    [403, '0'],
  ])
  expect(replies.at(-1)?.json).toEqual({ message: '403 Forbidden | Rate Limit Exceeded' })
  expect((await hub.abf(hub.ivan, 'GET', path)).status).toBe(200)
})

test('bad input: the dialect’s own shapes, and nothing changes', async () => {
  const hub = await startAbfHub()
  const { abf, ivan, platformId, repositoryId } = hub
  const at = `repositories/${repositoryId}`
  const project = await hub.project(ivan, 'mc')
  const state = async () =>
    JSON.stringify([
      (await abf(ivan, 'GET', `${at}.json`)).json,
      (await abf(ivan, 'GET', `${at}/projects.json`)).json,
      (await abf(ivan, 'GET', 'platforms.json')).json,
      (await abf(ivan, 'GET', `platforms/${platformId}/members.json`)).json,
      (await abf(ivan, 'GET', 'projects.json')).json,
      (await abf(ivan, 'GET', 'groups.json')).json,
    ])
  const before = await state()
  const refused = (subject: string, message: string) => ({ [subject]: { id: null, message } })
  const created = (why: string) => refused('repository', `Repository has not been created. ${why}`)
  const updated = (why: string) => refused('repository', `Repository has not been updated. ${why}`)
  const order = { platform_id: platformId, name: 'x', description: 'x' }
  const long = 'd'.repeat(101)
  const cases: [method: string, path: string, body: unknown, status: number, json: unknown][] = [
    [
      'POST',
      'repositories.json',
      '{"repository":',
      422,
      refused('repository', 'The request body is not valid JSON.'),
    ],
    [
      'POST',
      'repositories.json',
      '[1]',
      422,
      refused('repository', 'The request body must be a JSON object.'),
    ],
    [
      'POST',
      'repositories.json',
      {},
      422,
      created("Name can't be blank. Description can't be blank. Platform can't be blank"),
    ],
    ['POST', 'repositories.json', { repository: 'x' }, 422, created('Repository is invalid')],
    [
      'POST',
      'repositories.json',
      { repository: { ...order, platform_id: 99 } },
      422,
      created("Platform can't be blank"),
    ],
    [
      'POST',
      'repositories.json',
      { repository: { ...order, platform_id: { $gt: 0 } } },
      422,
      created("Platform can't be blank"),
    ],
    [
      'POST',
      'repositories.json',
      { repository: { ...order, name: 'Main!' } },
      422,
      created('Name is invalid'),
    ],
    [
      'POST',
      'repositories.json',
      { repository: { ...order, name: '../x' } },
      422,
      created('Name is invalid'),
    ],
    [
      'POST',
      'repositories.json',
      { repository: { ...order, name: 'n'.repeat(101) } },
      422,
      created('Name is too long (maximum is 100 characters)'),
    ],
    [
      'POST',
      'repositories.json',
      { repository: { ...order, name: 'main' } },
      422,
      created('Name has already been taken'),
    ],
    [
      'POST',
      'repositories.json',
      { repository: { ...order, name: ['x'] } },
      422,
      created('Name is invalid'),
    ],
    [
      'POST',
      'repositories.json',
      { repository: { ...order, publish_without_qa: 'maybe' } },
      422,
      created('Publish without qa is invalid'),
    ],
    [
      'PUT',
      `${at}.json`,
      { repository: { description: '' } },
      422,
      updated("Description can't be blank"),
    ],
    [
      'PUT',
      `${at}.json`,
      { repository: { description: null } },
      422,
      updated("Description can't be blank"),
    ],
    [
      'PUT',
      `${at}.json`,
      { repository: { description: long } },
      422,
      updated('Description is too long (maximum is 100 characters)'),
    ],
    [
      'PUT',
      `${at}.json`,
      { repository: { description: { a: 1 } } },
      422,
      updated('Description is invalid'),
    ],
    [
      'PUT',
      `${at}.json`,
      { repository: { publish_builds_only_from_branch: 'b'.repeat(256) } },
      422,
      updated('Publish builds only from branch is too long (maximum is 255 characters)'),
    ],
    [
      'PUT',
      `${at}/add_member.json`,
      {},
      422,
      refused('repository', 'Member has not been added to repository'),
    ],
    [
      'PUT',
      `${at}/add_member.json`,
      { member_id: 99, type: 'User' },
      422,
      refused('repository', 'Member has not been added to repository'),
    ],
    [
      'PUT',
      `${at}/add_member.json`,
      { member_id: ivan.user.id, type: 'Group' },
      422,
      refused('repository', 'Member has not been added to repository'),
    ],
    [
      'PUT',
      `${at}/add_member.json`,
      { member_id: ivan.user.id, type: 'user' },
      422,
      refused('repository', 'Member has not been added to repository'),
    ],
    [
      'PUT',
      `${at}/add_member.json`,
      { member_id: '1 or 1=1', type: 'User' },
      422,
      refused('repository', 'Member has not been added to repository'),
    ],
    [
      'DELETE',
      `${at}/remove_member.json`,
      { member_id: 99, type: 'User' },
      422,
      refused('repository', 'Member has not been removed from repository'),
    ],
    [
      'PUT',
      `${at}/add_project.json`,
      {},
      422,
      refused('repository', 'Project has not been added to repository'),
    ],
    [
      'PUT',
      `${at}/add_project.json`,
      { project_id: [project] },
      422,
      refused('repository', 'Project has not been added to repository'),
    ],
    [
      'PUT',
      `${at}/add_project.json`,
      '{',
      422,
      refused('repository', 'The request body is not valid JSON.'),
    ],
    [
      'PUT',
      `${at}/add_repo_lock_file.json`,
      { holder: 'a b\n' },
      422,
      refused(
        'repository',
        "'.repo.lock' file has not been added to repository. Holder is invalid",
      ),
    ],
    ['GET', 'repositories/0.json', undefined, 404, MISSING],
    ['GET', 'repositories/main.json', undefined, 404, MISSING],
    ['GET', 'repositories/99999999999999999999.json', undefined, 404, MISSING],
    ['GET', 'repositories/%ff.json', undefined, 404, MISSING],
    ['DELETE', 'repositories/99.json', undefined, 404, MISSING],
    ['PATCH', `${at}.json`, {}, 404, MISSING],
    ['POST', 'platforms.json', { platform: { name: 'p' } }, 403, DENIED],
    [
      'PUT',
      `platforms/${platformId}/add_member.json`,
      { member_id: 99, type: 'User' },
      422,
      refused('platform', 'Member has not been added to platform'),
    ],
    [
      'PUT',
      `platforms/${platformId}.json`,
      { platform: { description: '' } },
      422,
      refused('platform', "Platform has not been updated. Description can't be blank"),
    ],
    [
      'POST',
      'projects.json',
      { project: {} },
      422,
      refused('project', "Project has not been created. Name can't be blank"),
    ],
    [
      'POST',
      'projects.json',
      { project: { name: 'x', owner_id: 99 } },
      422,
      refused('project', "Project has not been created. Owner can't be blank"),
    ],
    [
      'POST',
      'projects.json',
      { project: { name: 'x', visibility: 'internal' } },
      422,
      refused('project', 'Project has not been created. Visibility is not included in the list'),
    ],
    [
      'POST',
      'groups.json',
      { group: { uname: '' } },
      422,
      refused('group', "Group has not been created. Uname can't be blank"),
    ],
    [
      'PUT',
      'user.json',
      { user: { language: 'xx' } },
      422,
      refused('user', 'User has not been updated. Language is not included in the list'),
    ],
  ]
  for (const [method, path, body, status, json] of cases) {
    const reply = await abf(ivan, method, path, body)
    expect([method, path, body, reply.status, reply.json]).toEqual([
      method,
      path,
      body,
      status,
      json,
    ])
  }
  const names = ['a/b', '..', '-x', 'x'.repeat(97)]
  for (const name of names) {
    const reply = await abf(ivan, 'POST', 'projects.json', { project: { name } })
    expect([name, reply.status, reply.json.project.id]).toEqual([name, 422, null])
  }
  const big = await abf(ivan, 'PUT', `${at}.json`, { repository: { description: 'd'.repeat(2e6) } })
  expect([big.status, big.json.repository.id]).toEqual([413, null])
  expect(await state()).toBe(before)
})

test('creating a platform is for administrators; names, lists and what cannot go back', async () => {
  const hub = await startAbfHub()
  const { abf, root, platformId } = hub
  const order = { name: 'p1', description: 'd', default_branch: 'b', distrib_type: 'mdv' }
  const create = async (change: object) =>
    (await abf(root, 'POST', 'platforms.json', { platform: { ...order, ...change } })).json.platform
  const failed = (why: string) => ({ id: null, message: `Platform has not been created. ${why}` })
  expect(await create({ name: 'ROSA2012' })).toEqual(failed('Name has already been taken'))
  expect(await create({ name: 'zed_personal' })).toEqual(failed('Name is reserved'))
  expect(await create({ name: '..' })).toEqual(failed('Name is invalid'))
  expect(await create({ distrib_type: 'deb' })).toEqual(
    failed('Distrib type is not included in the list'),
  )
  expect(await create({ description: '', default_branch: null })).toEqual(
    failed("Description can't be blank. Default branch can't be blank"),
  )
  const set = async (platform: object) =>
    (await abf(root, 'PUT', `platforms/${platformId}.json`, { platform })).json.platform.message
  expect(await set({ released: true, name: 'other' })).toBe(
    'Platform has been updated successfully',
  )
  expect(await set({ released: false })).toBe(
    "Platform has not been updated. Released can't be taken back",
  )
  const { platform } = (await abf(root, 'GET', `platforms/${platformId}.json`)).json
  expect([platform.name, platform.released]).toEqual(['rosa2012', true])
})
