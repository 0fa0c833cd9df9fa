import { pino } from 'pino'
import { expect, test } from 'vitest'
import { listRoutes } from '../../src/http/route-list.js'
import { buildApp } from '../../src/hub.js'
import type { ApiReply } from '../support/hub.js'
import { ROWS } from '../support/permission-rows.js'
import {
  CALLERS,
  type CallerName,
  levelOf,
  type Outcome,
  type Row,
  type Stage,
  setStage,
  VISIBILITIES,
} from '../support/permissions.js'

type Target = Stage['repos']['public']

const NOWHERE = { repoId: 'repo_000000000000', seq: 999_999_999 }
/** As long as the real names, so that nothing differs by length. */
const nameless = (name: string) => `${name.slice(0, -3)}two`

test('every route has a row, and every row a route', async () => {
  const { hub } = await setStage()
  const routes = listRoutes(buildApp(hub.domain, pino({ level: 'silent' })))
  const keys = routes.map(({ method, path }) => `${method} ${path}`)
  expect(keys.length).toBeGreaterThan(150)
  const rows = Object.keys(ROWS).map((it) => it.split(' #')[0] ?? '')
  const missing = keys.filter((it) => !rows.includes(it))
  const stale = rows.filter((it) => !keys.includes(it))
  expect(
    { missing, stale },
    'add one line per missing route to test/support/permission-rows.ts',
  ).toEqual({ missing: [], stale: [] })
})

test('everybody gets what the matrix says, and nobody learns of what is hidden', async () => {
  const stage = await setStage({ PACKHORSE_ABF_HOURLY_CALLS: '1000000' })
  const wrong: string[] = []
  let cells = 0
  for (const [key, row] of Object.entries(ROWS)) {
    const method = (key.split(' ')[0] ?? 'GET').replace('ALL', 'POST')
    for (const visibility of row.perRepo ? VISIBILITIES : (['public'] as const))
      for (const caller of CALLERS) {
        const expected = row.expect(caller, visibility)
        const got = await outcomeOf(stage, method, row, caller, stage.repos[visibility], expected)
        cells += 1
        if (got !== String(expected))
          wrong.push(
            `${key} | ${row.perRepo ? visibility : '-'} | ${caller}: ${got}, not ${expected}`,
          )
      }
  }
  expect(wrong, `${wrong.length} of ${cells} cells`).toEqual([])
}, 600_000)

async function outcomeOf(
  stage: Stage,
  method: string,
  row: Row,
  caller: CallerName,
  target: Target,
  expected: Outcome,
): Promise<string> {
  const reply = await ask(stage, method, row, caller, target)
  const leak = row.perRepo ? undefined : leakOf(stage, caller, reply)
  if (leak) return `an answer that names ${leak}`
  if (expected === 'absent') {
    const name = nameless(target.name)
    const twin = await ask(stage, method, row, caller, { ...NOWHERE, name })
    const said = seen(reply, target.name)
    return said === seen(twin, name) && [401, 404].includes(reply.status)
      ? 'absent'
      : `${said} where a missing one says ${seen(twin, name)}`
  }
  if (reply.status === 403 && row.mayRefuse) return 'in'
  if (reply.status === 401 || reply.status === 403) return String(reply.status)
  if (reply.status >= 500 && ![501, 503, 507].includes(reply.status)) return `${reply.status}`
  const isAbsent = reply.status === 404 && reply.headers.get('x-error-code') === 'RepoNotFound'
  if (reply.status === 404 && (isAbsent || !row.mayMiss)) return '404'
  return 'in'
}

/** Lists and counts: a repository that the caller may not see and the answer names. */
function leakOf(stage: Stage, caller: CallerName, reply: ApiReply): string | undefined {
  for (const visibility of VISIBILITIES) {
    const { name, repoId } = stage.repos[visibility]
    if (levelOf(caller, visibility) !== 'none' || caller === 'expired') continue
    if (reply.text.includes(name) || reply.text.includes(repoId)) return name
  }
  return undefined
}

/** All of an answer that could tell something, with the name taken out. */
function seen(reply: ApiReply, name: string): string {
  const headers = [...reply.headers]
    .filter(([key]) => !/^(date|x-request-id|content-length|ratelimit.*|retry-after)$/.test(key))
    .map(([key, value]) => `${key}: ${value}`)
  return [reply.status, ...headers, reply.text]
    .join('\n')
    .replaceAll(name, '<name>')
    .replace(/req_[0-9a-f]{12}/g, '<request>')
    .replace(/repo_[0-9a-f]{12}/g, '<id>')
}

let address = 0
/** Each from an address of its own: wrong credentials are counted per address. */
function nextAddress(): string {
  address += 1
  return `10.${(address >> 16) & 255}.${(address >> 8) & 255}.${address & 255}`
}

async function ask(
  { hub, credentials, orgId }: Stage,
  method: string,
  row: Row,
  caller: CallerName,
  target: Target,
): Promise<ApiReply> {
  const fill = (text: string) =>
    text
      .replaceAll('{id}', `lab/${target.name}`)
      .replaceAll('{name}', target.name)
      .replaceAll('{repoId}', target.repoId)
      .replaceAll('{seq}', String(target.seq))
      .replaceAll('{orgId}', String(orgId))
  const as = credentials[caller]
  const { body = ['GET', 'HEAD'].includes(method) ? undefined : {} } = row
  return hub.api(fill(row.path), {
    method,
    ...(as ? { as } : {}),
    headers: { 'X-Forwarded-For': nextAddress(), ...row.headers },
    ...(body === undefined ? {} : { body: JSON.parse(fill(JSON.stringify(body))) as unknown }),
  })
}
