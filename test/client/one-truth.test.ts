import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { startAbfHub } from '../support/abf.js'
import { git, gitOk, tempDir } from '../support/hub.js'

test('Outpost, git, Hugging Face and ABF see one repository', async () => {
  const hub = await startAbfHub()
  const { abf, ivan, repositoryId } = hub
  const dir = await tempDir()
  const work = join(dir, 'work')
  const url = (name: string) => hub.gitUrl(`ivan/${name}.git`, ivan)
  const listed = async () =>
    (await hub.api('/api/models?author=ivan', { as: ivan })).json.map((it: { id: string }) => it.id)

  // create by Outpost -> push by git -> list by HF
  const created = await hub.api('/auth/v1/ivan/repositories', {
    as: ivan,
    body: { name: 'tools', visibility: 'public' },
  })
  expect([created.status, created.json.full_name]).toEqual([201, 'ivan/tools'])
  await gitOk(dir, ['clone', url('tools'), 'work'])
  await writeFile(join(work, 'tools.spec'), 'Name: tools\nVersion: 1\nRelease: 1\n')
  await gitOk(work, ['add', '.'])
  await gitOk(work, ['commit', '-m', 'spec'])
  await gitOk(work, ['push'])
  const head = await gitOk(work, ['rev-parse', 'HEAD'])
  expect(await listed()).toEqual(['ivan/tools'])
  const info = await hub.api('/api/models/ivan/tools', { as: ivan })
  expect([
    info.json.sha,
    info.json.siblings.map((it: { rfilename: string }) => it.rfilename),
  ]).toEqual([head, ['tools.spec']])

  // link in an ABF repository -> lock -> push refused -> unlock -> push accepted
  const found = (await abf(ivan, 'GET', 'projects/get_id.json?owner=ivan&name=tools')).json.project
  const at = `repositories/${repositoryId}`
  await abf(ivan, 'PUT', `${at}/add_project.json`, { project_id: found.id })
  const names = async () =>
    (await abf(ivan, 'GET', `${at}/projects.json`)).json.repository.projects.map(
      (it: { fullname: string }) => it.fullname,
    )
  expect(await names()).toEqual(['ivan/tools'])
  const refs = await abf(ivan, 'GET', `projects/${found.id}/refs_list.json`)
  expect(refs.json.refs_list).toEqual([{ ref: 'main', object: { type: 'commit', sha: head } }])
  expect((await abf(ivan, 'PUT', `${at}/add_repo_lock_file.json`)).status).toBe(200)
  await gitOk(work, ['commit', '--allow-empty', '-m', 'next'])
  const refused = await git(work, ['push'])
  expect([refused.code !== 0, refused.stderr]).toEqual([
    true,
    expect.stringMatching(/remote: .*\.repo\.lock of rosa2012\/main/),
  ])
  expect((await abf(ivan, 'DELETE', `${at}/remove_repo_lock_file.json`)).status).toBe(200)
  await gitOk(work, ['push'])
  expect((await hub.api('/api/models/ivan/tools', { as: ivan })).json.sha).toBe(
    await gitOk(work, ['rev-parse', 'HEAD']),
  )

  // rename by Outpost -> old URL 404
  const renamed = await hub.api(`/auth/v1/ivan/repositories/${created.json.id}/name`, {
    as: ivan,
    method: 'PUT',
    body: { name: 'toolbox' },
  })
  expect(renamed.json.full_name).toBe('ivan/toolbox')
  const old = await git(dir, ['ls-remote', url('tools')])
  expect([old.code !== 0, old.stderr]).toEqual([true, expect.stringContaining('not found')])
  expect((await hub.api('/api/models/ivan/tools', { as: ivan })).status).toBe(404)
  expect(await names()).toEqual(['ivan/toolbox'])

  // move by HF -> old URL redirects
  const body = { fromRepo: 'ivan/toolbox', toRepo: 'ivan/kit', type: 'model' }
  expect((await hub.api('/api/repos/move', { as: ivan, body })).status).toBe(200)
  const redirect = await hub.api('/api/models/ivan/toolbox', { as: ivan })
  expect([redirect.status, redirect.headers.get('location')]).toEqual([
    307,
    expect.stringMatching(/\/api\/models\/ivan\/kit$/),
  ])
  await gitOk(work, ['remote', 'set-url', 'origin', url('toolbox')])
  await gitOk(work, ['pull'])
  await gitOk(work, ['commit', '--allow-empty', '-m', 'through the old URL'])
  await gitOk(work, ['push'])
  const tip = await gitOk(work, ['rev-parse', 'HEAD'])
  expect((await hub.api('/api/models/ivan/kit', { as: ivan })).json.sha).toBe(tip)
  expect([await names(), await listed()]).toEqual([['ivan/kit'], ['ivan/kit']])
  const seen = await hub.api(`/auth/v1/ivan/repositories/${created.json.id}`, { as: ivan })
  expect(seen.json.full_name).toBe('ivan/kit')
  const csv = await abf(ivan, 'GET', `${at}/packages.csv`)
  expect(csv.text.split('\n')[1]).toBe(
    'ivan,kit,tools,,1,1,ivan,ivan@example.org,Test,test@example.org',
  )
})
