import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { type AbfHub, startAbfHub } from '../support/abf.js'
import { gitOk, type TestUser, tempDir } from '../support/hub.js'

const HEADER =
  'Project owner,Project name,Package name,Epoch,Version,Release,Maintainer uname,Maintainer email,Committer uname,Committer email'

/** A project on the repository with these files, one commit each, by these committers. */
async function packaged(
  hub: AbfHub,
  owner: TestUser,
  name: string,
  commits: readonly (readonly [file: string, text: string, by?: string])[],
): Promise<number> {
  const project_id = await hub.project(owner, name)
  const link = `repositories/${hub.repositoryId}/add_project.json`
  expect((await hub.abf(hub.root, 'PUT', link, { project_id })).status).toBe(200)
  const dir = await tempDir()
  await gitOk(dir, ['init', '-b', 'master', 'work'])
  const work = join(dir, 'work')
  for (const [file, text, by = 'Test <test@example.org>'] of commits) {
    const [, who = '', email = ''] = /^(.*) <(.*)>$/.exec(by) ?? []
    await writeFile(join(work, file), text)
    await gitOk(work, ['add', '.'])
    await gitOk(work, ['commit', '-m', file], {
      GIT_COMMITTER_NAME: who,
      GIT_COMMITTER_EMAIL: email,
    })
  }
  if (commits.length > 0)
    await gitOk(work, ['push', hub.gitUrl(`${owner.name}/${name}.git`, owner), 'master'])
  return project_id
}

test('GET …/packages.csv: the packages of the specs at the root of the default branches', async () => {
  const hub = await startAbfHub()
  const { abf, ivan, root, eve, repositoryId: id } = hub
  const perl = `%define upstream_name Algorithm-Diff
Name: perl-%{upstream_name}
Version: 1.190.200
Release: %mkrel 6
%package doc
Epoch: 2
%description
`
  await packaged(hub, ivan, 'perl-Algorithm-Diff', [
    ['perl.spec', 'Name: draft', 'Old Hand <old@example.org>'],
    ['perl.spec', perl, 'Eve Writes <eve@example.org>'],
    ['README', 'later, by somebody else'],
  ])
  await packaged(hub, ivan, 'acl', [
    ['acl.spec', 'Name: acl\nVersion: 2\nRelease: 1\n', 'Pat "P", Smith <pat@elsewhere.org>'],
  ])
  await packaged(hub, ivan, 'empty', [])
  await packaged(hub, ivan, 'nospec', [
    ['a.txt', 'x'],
    ['broken.spec', '%{%(\0Version: 1\n'],
  ])
  const hidden = await hub.project(eve, 'hidden-one', 'hidden')
  await abf(eve, 'PUT', `repositories/${id}/add_project.json`, { project_id: hidden })

  const path = `repositories/${id}/packages.csv`
  const denied = await abf(eve, 'GET', path)
  expect([denied.status, denied.text, denied.headers.get('content-type')]).toEqual([
    403,
    'Access violation to this page!',
    'text/plain; charset=utf-8',
  ])
  const reply = await abf(ivan, 'GET', path)
  expect(reply.status).toBe(200)
  const header = (name: string) => reply.headers.get(name)
  expect([header('content-type'), header('content-disposition'), header('content-length')]).toEqual(
    ['text/csv; charset=utf-8', 'attachment; filename="packages.csv"', null],
  )
  expect([header('cache-control'), header('x-accel-buffering')]).toEqual(['no-cache', 'no'])
  const tail = 'ivan,ivan@example.org,eve,eve@example.org'
  expect(reply.text.split('\n')).toEqual([
    HEADER,
    'ivan,acl,acl,,2,1,ivan,ivan@example.org,"Pat ""P"", Smith",pat@elsewhere.org',
    `ivan,perl-Algorithm-Diff,perl-Algorithm-Diff,,1.190.200,6,${tail}`,
    `ivan,perl-Algorithm-Diff,perl-Algorithm-Diff-doc,2,1.190.200,6,${tail}`,
    '',
  ])

  // one a quarter of an hour and platform, administrators too, whatever the repository
  const contrib = { platform_id: hub.platformId, name: 'contrib', description: 'c' }
  const other = (await abf(ivan, 'POST', 'repositories.json', { repository: contrib })).json
  for (const [who, where] of [
    [ivan, id],
    [root, other.repository.id],
  ] as const) {
    const again = await abf(who, 'GET', `repositories/${where}/packages.csv`)
    expect([again.status, again.text]).toEqual([403, 'Access violation to this page!'])
    const wait = Number(again.headers.get('retry-after'))
    expect(wait > 800 && wait <= 900).toBe(true)
  }
  expect((await abf(ivan, 'GET', 'repositories/999/packages.csv')).status).toBe(404)
})

test('a named maintainer stands in the list', async () => {
  const hub = await startAbfHub()
  const project = await packaged(hub, hub.ivan, 'acl', [
    ['acl.spec', 'Name: acl\nVersion: 2\nRelease: 1'],
  ])
  const maintainer_id = hub.eve.user.id
  await hub.abf(hub.ivan, 'PUT', `projects/${project}.json`, { project: { maintainer_id } })
  const { text } = await hub.abf(hub.root, 'GET', `repositories/${hub.repositoryId}/packages.csv`)
  expect(text.split('\n')[1]).toBe('ivan,acl,acl,,2,1,eve,eve@example.org,Test,test@example.org')
})
