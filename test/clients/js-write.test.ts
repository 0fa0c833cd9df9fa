import { randomBytes } from 'node:crypto'
import {
  commit,
  createBranch,
  createRepo,
  deleteBranch,
  deleteFile,
  deleteFiles,
  deleteRepo,
  downloadFile,
  HubApiError,
  listCommits,
  listFiles,
  repoExists,
  uploadFile,
  uploadFiles,
  whoAmI,
} from '@huggingface/hub'
import { expect, test } from 'vitest'
import { clone } from '../support/hf.js'
import { gitOk, startTestHub } from '../support/hub.js'

async function all<T>(list: AsyncIterable<T>): Promise<T[]> {
  const items: T[] = []
  for await (const it of list) items.push(it)
  return items
}

test('@huggingface/hub writes everything', async () => {
  const hub = await startTestHub()
  const ada = await hub.user('ada')
  const eve = await hub.user('eve')
  const as = { accessToken: ada.token, hubUrl: hub.url }
  const repo = { type: 'model' as const, name: 'ada/m' }
  const paths = async (revision?: string) =>
    (await all(listFiles({ ...as, repo, recursive: true, ...(revision ? { revision } : {}) })))
      .filter((it) => it.type === 'file')
      .map((it) => it.path)
      .sort()
  expect((await whoAmI(as)).name).toBe('ada')

  expect((await createRepo({ ...as, repo })).repoUrl).toBe(`${hub.url}/ada/m`)
  expect(await repoExists({ ...as, repo })).toBe(true)
  await expect(createRepo({ ...as, repo })).rejects.toMatchObject({ statusCode: 409 })

  const weights = randomBytes(40_000)
  const done = await uploadFiles({
    ...as,
    repo,
    commitTitle: 'From JavaScript',
    files: [
      { path: 'a.txt', content: new Blob(['hello']) },
      { path: 'dir/w.safetensors', content: new Blob([weights]) },
      { path: 'odd/ü & #1.txt', content: new Blob(['odd']) },
    ],
    useXet: false,
  })
  expect(done?.commit.url).toBe(`${hub.url}/ada/m/commit/${done?.commit.oid}`)
  expect(await paths()).toEqual(['.gitattributes', 'a.txt', 'dir/w.safetensors', 'odd/ü & #1.txt'])
  const [newest] = await all(listCommits({ ...as, repo }))
  expect([newest?.title, newest?.oid, newest?.authors[0]?.username]).toEqual([
    'From JavaScript',
    done?.commit.oid,
    'ada',
  ])
  const got = await downloadFile({ ...as, repo, path: 'dir/w.safetensors', xet: false })
  expect(Buffer.from((await got?.arrayBuffer()) ?? new ArrayBuffer(0)).equals(weights)).toBe(true)

  // what the hub has already is not sent again, nothing new is committed
  const again = await uploadFile({
    ...as,
    repo,
    file: { path: 'dir/w.safetensors', content: new Blob([weights]) },
    useXet: false,
  })
  expect((await all(listCommits({ ...as, repo }))).length).toBe(2)
  expect(again?.commit.oid ?? done?.commit.oid).toBe(done?.commit.oid)

  const mixed = await commit({
    ...as,
    repo,
    title: 'Mixed',
    description: 'several things',
    ...(done ? { parentCommit: done.commit.oid } : {}),
    operations: [
      { operation: 'delete', path: 'a.txt' },
      { operation: 'addOrUpdate', path: 'b.txt', content: new Blob(['b']) },
    ],
    useXet: false,
  })
  expect(await paths()).toEqual(['.gitattributes', 'b.txt', 'dir/w.safetensors', 'odd/ü & #1.txt'])
  const stale = commit({
    ...as,
    repo,
    title: 'Stale',
    ...(done ? { parentCommit: done.commit.oid } : {}),
    operations: [{ operation: 'addOrUpdate', path: 'c.txt', content: new Blob(['c']) }],
    useXet: false,
  })
  await expect(stale).rejects.toMatchObject({ statusCode: 412 })
  expect(mixed?.commit.oid).toMatch(/^[0-9a-f]{40}$/)

  const pull = await commit({
    accessToken: eve.token,
    hubUrl: hub.url,
    repo,
    title: 'A change',
    isPullRequest: true,
    operations: [
      { operation: 'addOrUpdate', path: 'pr.bin', content: new Blob([randomBytes(3_000)]) },
    ],
    useXet: false,
  })
  expect(pull?.pullRequestUrl).toBe(`${hub.url}/ada/m/discussions/1`)
  expect(await paths('refs/pr/1')).toContain('pr.bin')

  await createBranch({ ...as, repo, branch: 'dev' })
  await createBranch({ ...as, repo, branch: 'bare', empty: true })
  await expect(createBranch({ ...as, repo, branch: 'dev' })).rejects.toBeInstanceOf(HubApiError)
  await createBranch({ ...as, repo, branch: 'dev', overwrite: true, revision: 'main' })
  await uploadFile({
    ...as,
    repo,
    branch: 'dev',
    file: { path: 'on-dev.txt', content: new Blob(['dev']) },
    useXet: false,
  })
  expect(await paths('dev')).toContain('on-dev.txt')
  expect(await paths('bare')).toEqual([])
  await deleteBranch({ ...as, repo, branch: 'dev' })

  await deleteFile({ ...as, repo, path: 'b.txt' })
  await deleteFiles({ ...as, repo, paths: ['dir/w.safetensors', 'odd/ü & #1.txt'] })
  expect(await paths()).toEqual(['.gitattributes'])
  const cloned = await clone(hub, ada)
  expect(await gitOk(cloned, ['rev-list', '--count', 'HEAD'])).toBe('5')

  const born = { type: 'dataset' as const, name: 'ada/born' }
  await createRepo({
    ...as,
    repo: born,
    license: 'mit',
    visibility: 'private',
    files: [{ path: 'data/a.csv', content: new Blob(['a,b\n']) }],
  })
  const bornFiles = await all(listFiles({ ...as, repo: born, recursive: true }))
  expect(bornFiles.filter((it) => it.type === 'file').map((it) => it.path)).toEqual([
    '.gitattributes',
    'README.md',
    'data/a.csv',
  ])

  await deleteRepo({ ...as, repo })
  expect(await repoExists({ ...as, repo })).toBe(false)
})
