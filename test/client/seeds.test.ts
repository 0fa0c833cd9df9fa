import { readFileSync } from 'node:fs'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { generateKey } from 'openpgp'
import { expect, test } from 'vitest'
import { startAbfHub } from '../support/abf.js'
import { commitFiles, createRepo, initWork } from '../support/git-work.js'
import { gitOk, runCommand, startTestHub, tempDir } from '../support/hub.js'

/* The seeds' own requests, run by the real curl: only host, credentials and ids are put in (fixtures/seeds). */

const fixture = (name: string) =>
  readFileSync(new URL(`../../fixtures/seeds/${name}`, import.meta.url), 'utf8')
    .trim()
    .split('\n')

/** Runs a shell line that calls curl. */
async function shell(line: string): Promise<{ status: number; text: string }> {
  const cwd = await tempDir()
  const ran = await runCommand('sh', ['-c', `${line} -sS -w '\\n%{http_code}'`], { cwd })
  expect([ran.code, ran.stderr], line).toEqual([0, ''])
  const cut = ran.stdout.lastIndexOf('\n')
  return { status: Number(ran.stdout.slice(cut + 1)), text: ran.stdout.slice(0, cut) }
}

/** The keys of a document with what kind of value each holds, so that two answers can be compared. */
function shapeOf(value: unknown): unknown {
  if (Array.isArray(value)) return value.slice(0, 1).map(shapeOf)
  if (value === null || typeof value !== 'object')
    return typeof value === 'string' && /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$/.test(value)
      ? 'time'
      : typeof value
  return Object.fromEntries(
    Object.entries(value)
      .sort(([a], [b]) => (a < b ? -1 : 1))
      .map(([key, it]) => [key, NULLABLE.includes(key) ? 'any' : shapeOf(it)]),
  )
}

/** Empty for some repositories, in the seed as here. */
const NULLABLE = ['language', 'pushed_at']

test('every curl line of the Outpost document works, and answers as it says', async () => {
  const lines = fixture('outpost-repositories.txt')
  const examples = lines.flatMap((line, n) =>
    line.startsWith('curl ')
      ? [{ line, status: Number(/\d+/.exec(lines[n + 1] ?? '')), body: lines[n + 2] ?? '' }]
      : [],
  )
  expect(examples).toHaveLength(10)
  const hub = await startTestHub()
  const jane = await hub.user('jane')
  await hub.org('acme', jane)
  await hub.org('acme-research', jane)
  const engine = await createRepo(hub, jane, 'inference-engine', {
    organization: 'acme',
    visibility: 'private',
  })
  await createRepo(hub, jane, 'model-weights', { organization: 'acme', visibility: 'private' })
  const work = await initWork(await tempDir(), 'work', {
    files: {
      'src/main.py': 'import torch\n',
      'src/config.yaml': 'a: 1\n',
      'src/models/a.py': '',
      'src/utils/b.py': '',
    },
  })
  for (const n of [1, 2, 3]) await commitFiles(work, { 'README.md': `${n}\n` }, `change ${n}`)
  await gitOk(work, ['push', '-q', hub.gitUrl('acme/inference-engine.git', jane), 'main'])
  const ids: Record<string, string> = { repo_3f8a1b2c4d5e: engine.id }

  for (const { line, status, body } of examples) {
    const ours = line
      .replaceAll('https://outpost.run', hub.url)
      .replaceAll('<access_token>', jane.token)
      .replace(/repo_[0-9a-f]{12}/g, (id) => ids[id] ?? id)
    const reply = await shell(ours)
    expect([line, reply.status]).toEqual([line, status])
    if (status === 204) {
      expect(reply.text).toBe('')
      continue
    }
    const [seed, got] = [JSON.parse(body), JSON.parse(reply.text)]
    if (line.includes('/tree/'))
      // files have a size, directories none: which comes first is the repository's business
      expect(got.entries.map(shapeOf)).toEqual(
        expect.arrayContaining(seed.entries.slice(0, 2).map(shapeOf)),
      )
    expect(Object.keys(got).sort(), line).toEqual(Object.keys(seed).sort())
    if (!line.includes('/tree/')) expect(shapeOf(got), line).toEqual(shapeOf(seed))
    for (const key of [
      'name',
      'namespace',
      'full_name',
      'visibility',
      'path',
      'ref',
      'description',
    ])
      if (key in seed && line.includes('-d ')) expect([key, got[key]]).toEqual([key, seed[key]])
    if (line.includes('-X POST') && status === 201) ids[seed.id] = got.id
    if (line.includes('/transfer')) {
      // the lines after it speak of where it was
      const path = `/auth/v1/acme-research/repositories/${engine.id}/transfer`
      const back = await hub.api(path, { as: jane, body: { new_namespace: 'acme' } })
      expect(back.status).toBe(200)
    }
  }
}, 60_000)

test('every call of the ABF document works, and says what it says', async () => {
  const hub = await startAbfHub()
  const keys = await generateKey({ userIDs: [{ name: 'signer' }], format: 'armored' })
  const project = await hub.project(hub.ivan, 'tools')
  const member = { member_id: hub.eve.user.id, type: 'User' }
  const project_id = { project_id: project }
  const eve = `User '${hub.eve.user.id}'`
  /** What each call is sent with, and the message of its answer. */
  const bodies: Record<string, readonly [body: unknown, message: string]> = {
    'PUT :id': [
      { repository: { description: 'core', publish_without_qa: true } },
      'Repository has been updated successfully',
    ],
    'POST ': [
      { repository: { platform_id: hub.platformId, name: 'contrib', description: 'more' } },
      'Repository has been created successfully',
    ],
    'DELETE :id': [undefined, 'Repository has been destroyed successfully'],
    'PUT add_member': [member, `${eve} has been added to repository successfully`],
    'DELETE remove_member': [member, `${eve} has been removed from repository successfully`],
    'PUT add_project': [
      project_id,
      `Project '${project}' has been added to repository successfully`,
    ],
    'DELETE remove_project': [
      project_id,
      `Project '${project}' has been removed from repository successfully`,
    ],
    'PUT signatures': [
      { repository: { public: keys.publicKey, secret: keys.privateKey } },
      'Signatures have been updated for repository successfully',
    ],
    'PUT add_repo_lock_file': [
      undefined,
      "'.repo.lock' file has been added to repository successfully",
    ],
    'DELETE remove_repo_lock_file': [
      undefined,
      "'.repo.lock' file has been removed from repository successfully",
    ],
  }
  const calls = fixture('abf-repositories.txt')
  expect(calls).toHaveLength(13)
  let [id, unused] = [hub.repositoryId, hub.repositoryId]
  const dir = await tempDir()
  for (const call of calls) {
    const [method = '', path = ''] = call.split(' ')
    const last = path.split('/').at(-1)?.replace(/\..*$/, '')
    const key = `${method} ${last === 'repositories' ? '' : last}`
    const [body, message] = bodies[key] ?? []
    if (key === 'DELETE :id') id = unused
    const json = join(dir, 'body.json')
    if (body) await writeFile(json, JSON.stringify(body))
    const data = body ? `-H 'Content-Type: application/json' -d @${json}` : ''
    const url = `${hub.url}${path.replace(':id', String(id))}`
    const { status, text } = await shell(`curl -u ivan:ivan-password -X ${method} ${data} '${url}'`)
    expect([call, status, text]).toEqual([call, 200, text])
    if (message !== undefined) expect(JSON.parse(text).repository).toMatchObject({ message })
    else if (path.endsWith('.csv'))
      expect(text).toMatch(/^Project owner,Project name,Package name,/)
    else expect(JSON.parse(text).repository).toMatchObject({ id, name: 'main' })
    if (method === 'POST') unused = JSON.parse(text).repository.id
    id = hub.repositoryId
  }
  expect(Object.keys(bodies)).toHaveLength(10)
}, 60_000)
