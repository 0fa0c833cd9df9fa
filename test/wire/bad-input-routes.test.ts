import { pino } from 'pino'
import { expect, test } from 'vitest'
import { listRoutes } from '../../src/http/route-list.js'
import { buildApp } from '../../src/hub.js'
import { startAbfHub } from '../support/abf.js'
import { changedTables, openDigest } from '../support/database-digest.js'
import { type ApiReply, startTestHub, type TestHub } from '../support/hub.js'

/*
 * Every route of the ABF and Outpost APIs, as the route list has them, is given what it cannot take: broken bodies, fields of
 * the wrong type and length, ids that nothing has, ids of what others hide. Each answers in its dialect's own error shape,
 * never with 5xx, and nothing changes.
 */

const BROKEN = ['{', '[1]', '"x"', 'null', '7', '{"a":'.repeat(2_000)]
const WRONG = [{}, [], [[1]], { $gt: 0 }, '\u0000', 'x'.repeat(100_000)]
/** Texts to ABF, whose Rails takes any number for its digits. */
const WRONG_NUMBERS = [-1, 1.5, 1e300]
const BAD_IDS = [
  '999999',
  '0',
  '-1',
  '1e3',
  '99999999999999999999',
  '%00',
  '%ff',
  '..%2f..',
  'x'.repeat(500),
]

const routesOf = (hub: TestHub, prefix: string) =>
  listRoutes(buildApp(hub.domain, pino({ level: 'silent' }))).filter((it) =>
    it.path.startsWith(prefix),
  )

/** The fields that the ABF calls read; each gets the same wrong value, flat and within each wrapper. */
const ABF_FIELDS =
  'name uname description default_branch distrib_type visibility released owner_id owner_type member_id type role project_id group_id fork_name public secret holder platform_id publish_without_qa publish_builds_only_from_branch is_package maintainer_id email language site company query page per_page'.split(
    ' ',
  )
const ABF_WRAPPERS = ['repository', 'platform', 'project', 'group', 'user', 'token']
/** Calls that need no input: with an id that exists they would just do what they are for. */
const ABF_BARE =
  /^(DELETE [a-z]+\/:id|PUT .*\/(activate|deactivate|clear|add_repo_lock_file)|DELETE .*\/remove_repo_lock_file|GET .*|POST projects\/:id\/(fork|alias))$/

function abfShape({ status, json, text, headers }: ApiReply): boolean {
  if (headers.get('content-type')?.startsWith('text/plain')) return text.length > 0
  if (status === 401) return typeof json?.error === 'string'
  if (status === 403) return typeof json?.message === 'string'
  if (status === 404) return json?.status === 404 && typeof json.message === 'string'
  const [[subject, said] = []] = Object.entries(json ?? {}) as [
    string,
    { id: null; message: string },
  ][]
  return subject !== undefined && said?.id === null && typeof said.message === 'string'
}

test('ABF: no route takes what is wrong, fails over it, or answers in another shape', async () => {
  const hub = await startAbfHub({
    PACKHORSE_ABF_HOURLY_CALLS: '1000000',
    PACKHORSE_JOB_INTERVAL_MS: '3600000',
  })
  const seq = await hub.project(hub.ivan, 'tools')
  const hidden = await hub.project(hub.eve, 'secret', 'hidden')
  const group = await hub.abf(hub.ivan, 'POST', 'groups.json', { group: { uname: 'team' } })
  const token = await hub.abf(hub.ivan, 'POST', 'tokens.json', {
    token: { platform_id: hub.platformId, description: 'x' },
  })
  const own: Record<string, number> = {
    repositories: hub.repositoryId,
    platforms: hub.platformId,
    projects: seq,
    groups: group.json.group.id,
    tokens: token.json.token.id,
    users: hub.ivan.user.id,
  }
  const digest = openDigest(hub)
  let before = digest.read()
  const wrong: string[] = []
  let asked = 0
  const ask = async (method: string, path: string, body: unknown, what: string) => {
    if (method === 'GET' && body !== undefined) return
    const reply = await hub.abf(hub.ivan, method, path, body)
    asked += 1
    const isTolerated = reply.status === 200
    if (!isTolerated && (reply.status < 400 || reply.status >= 500 || !abfShape(reply)))
      wrong.push(`${method} ${path} ${what}: ${reply.status} ${reply.text.slice(0, 100)}`)
  }
  const routes = routesOf(hub, '/api/v1/').filter((it) => !it.path.includes('allowed'))
  expect(routes.length).toBeGreaterThan(55)
  for (const { method, path } of routes) {
    const rest = path.slice('/api/v1/'.length)
    const key = `${method} ${rest}`
    const changedBy = async (what: string, work: () => Promise<void>) => {
      await work()
      const after = digest.read()
      const tables = changedTables(before, after)
      if (tables.length > 0) wrong.push(`${key}, ${what}: changed ${tables.join(', ')}`)
      before = after
    }
    if (rest.includes(':id'))
      await changedBy('bad ids', async () => {
        for (const id of BAD_IDS) await ask(method, rest.replace(':id', id), undefined, 'bad id')
        if (rest.startsWith('projects/'))
          await ask(
            method,
            rest.replace(':id', String(hidden)),
            method === 'GET' ? undefined : {},
            'foreign id',
          )
      })
    const at = rest.replace(':id', String(own[rest.split('/')[0] ?? ''] ?? 1))
    await changedBy('broken bodies', async () => {
      for (const body of BROKEN) await ask(method, at, body, 'broken body')
    })
    if (ABF_BARE.test(key)) continue
    await changedBy('wrong values', async () => {
      for (const value of WRONG) {
        const flat = Object.fromEntries(ABF_FIELDS.map((it) => [it, value]))
        const wrapped = Object.fromEntries(ABF_WRAPPERS.map((it) => [it, flat]))
        await ask(method, at, flat, 'wrong flat')
        await ask(method, at, wrapped, 'wrong wrapped')
        await ask(
          method,
          at,
          Object.fromEntries(ABF_WRAPPERS.map((it) => [it, value])),
          'wrong wrapper',
        )
      }
    })
  }
  digest.close()
  expect(wrong).toEqual([])
  expect(asked).toBeGreaterThan(1_000)
}, 300_000)

const OUTPOST_FIELDS =
  'name description visibility default_branch auto_init content_addressed gitignore_template new_namespace rules enabled expires_in_days'.split(
    ' ',
  )

test('Outpost: no route takes what is wrong, fails over it, or answers in another shape', async () => {
  const hub = await startTestHub({ PACKHORSE_JOB_INTERVAL_MS: '3600000' })
  const jane = await hub.user('jane', { role: 'admin' })
  const eve = await hub.user('eve')
  const create = (as: typeof jane, ns: string, name: string) =>
    hub.api(`/auth/v1/repository/${ns}`, { as, body: { name } })
  const mine = (await create(jane, 'jane', 'mine')).json.id
  const hidden = (await create(eve, 'eve', 'hidden')).json.id
  const digest = openDigest(hub)
  const before = digest.read()
  const wrong: string[] = []
  let asked = 0
  const ask = async (method: string, path: string, body: unknown, what: string) => {
    if (method === 'GET' && body !== undefined) return
    const reply = await hub.api(path, { as: jane, method, ...(body === undefined ? {} : { body }) })
    asked += 1
    const { error } = reply.json ?? {}
    const isShaped =
      typeof error?.code === 'string' &&
      typeof error.message === 'string' &&
      /^req_[0-9a-f]{12}$/.test(error.request_id)
    if (reply.status < 400 || reply.status >= 500 || !isShaped)
      wrong.push(
        `${method} ${path.slice(0, 80)} ${what}: ${reply.status} ${reply.text.slice(0, 100)}`,
      )
    const tables = changedTables(before, digest.read())
    if (tables.length > 0) throw new Error(`${method} ${path} ${what} changed ${tables.join(', ')}`)
  }
  const routes = routesOf(hub, '/auth/v1').filter((it) => !it.path.includes('download'))
  expect(routes.length).toBeGreaterThan(18)
  for (const { method, path } of routes) {
    // `^file\/(.+)$` and the like -> file/x
    const plain = path
      .replace(/\^|\$/g, '')
      .replace(/\\/g, '')
      .replace(/\(\?:\/\(\.\*\)\)\?/, '')
      .replace('(.+)', 'x')
      .replace(/\/$/, '')
    const fill = (id: string) =>
      plain.replace(':namespace', 'jane').replace(':id', id).replace(':name', id)
    if (/:(id|name)\b/.test(plain))
      for (const id of [...BAD_IDS, hidden])
        await ask(method, fill(id), method === 'GET' ? undefined : {}, 'bad id')
    const takesBody = method === 'POST' || method === 'PUT'
    if (!takesBody) continue
    for (const body of BROKEN) await ask(method, fill(mine), body, 'broken body')
    for (const value of [...WRONG, ...WRONG_NUMBERS]) {
      const body = Object.fromEntries(OUTPOST_FIELDS.map((it) => [it, value]))
      await ask(method, fill(mine), body, `wrong ${JSON.stringify(value).slice(0, 20)}`)
    }
  }
  digest.close()
  expect(wrong).toEqual([])
  expect(asked).toBeGreaterThan(200)
}, 300_000)
