import { createHash, randomBytes } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import {
  checkRepoAccess,
  countCommits,
  datasetInfo,
  downloadFile,
  fileDownloadInfo,
  fileExists,
  listCommits,
  listDatasets,
  listFiles,
  listModels,
  listSpaces,
  modelInfo,
  parseSafetensorsMetadata,
  pathsInfo,
  repoExists,
  snapshotDownload,
  spaceInfo,
} from '@huggingface/hub'
import { expect, test } from 'vitest'
import { gitOk, startTestHub, tempDir } from '../support/hub.js'
import { cloneRepo, pushFiles, safetensors } from '../support/repos.js'

async function all<T>(items: AsyncIterable<T>): Promise<T[]> {
  const found: T[] = []
  for await (const it of items) found.push(it)
  return found
}

test('@huggingface/hub reads everything', async () => {
  const hub = await startTestHub()
  const ada = await hub.user('ada')
  for (const body of [
    { name: 'm' },
    { name: 'secret', private: true },
    { name: 'texts', type: 'dataset' },
    { name: 'app', type: 'space', sdk: 'static' },
  ])
    expect((await hub.api('/api/repos/create', { as: ada, body })).status).toBe(200)
  const big = randomBytes(200_000)
  const work = await cloneRepo(hub, ada, 'ada/m')
  const first = await pushFiles(work, {
    'README.md': '---\npipeline_tag: fill-mask\n---\n',
    'model.safetensors': safetensors({ w: { dtype: 'F32', shape: [3, 4] } }),
    'data/big.bin': big,
    'data/with blank/ü.txt': 'blank',
    'empty.txt': '',
  })
  await gitOk(work, ['push', '-q', 'origin', 'HEAD:refs/pr/1'])
  const head = await pushFiles(work, { 'second.txt': '2' }, 'second')

  const at = { hubUrl: hub.url, repo: 'ada/m' }
  const signed = { hubUrl: hub.url, accessToken: ada.token }

  expect(await repoExists(at)).toBe(true)
  expect(await repoExists({ ...at, repo: 'ada/missing' })).toBe(false)
  expect(await repoExists({ ...at, repo: 'ada/secret' })).toBe(false)
  expect(await repoExists({ ...signed, repo: 'ada/secret' })).toBe(true)
  await checkRepoAccess({ ...signed, repo: 'ada/secret' })
  await expect(checkRepoAccess({ ...at, repo: 'ada/secret' })).rejects.toMatchObject({
    statusCode: 401,
  })

  const model = await modelInfo({
    hubUrl: hub.url,
    name: 'ada/m',
    additionalFields: ['sha', 'author', 'tags'],
  })
  expect(model).toMatchObject({
    id: '000000000000000000000001',
    name: 'ada/m',
    task: 'fill-mask',
    private: false,
    gated: false,
    sha: head,
    author: 'ada',
  })
  expect(model.updatedAt.getTime()).not.toBeNaN()
  expect(
    (
      await modelInfo({
        hubUrl: hub.url,
        name: 'ada/m',
        revision: 'refs/pr/1',
        additionalFields: ['sha'],
      })
    ).sha,
  ).toBe(first)
  expect((await datasetInfo({ hubUrl: hub.url, name: 'ada/texts' })).name).toBe('ada/texts')
  expect((await spaceInfo({ hubUrl: hub.url, name: 'ada/app' })).sdk).toBe('static')

  expect((await all(listModels({ hubUrl: hub.url }))).map((it) => it.name)).toEqual(['ada/m'])
  expect((await all(listModels(signed))).map((it) => it.name)).toEqual(['ada/secret', 'ada/m'])
  expect(
    await all(listModels({ hubUrl: hub.url, search: { task: 'fill-mask', owner: 'ada' } })),
  ).toHaveLength(1)
  expect(await all(listModels({ hubUrl: hub.url, search: { query: 'nothing' } }))).toHaveLength(0)
  expect(await all(listDatasets({ hubUrl: hub.url }))).toHaveLength(1)
  expect(await all(listSpaces({ hubUrl: hub.url }))).toHaveLength(1)

  const files = await all(listFiles({ ...at, recursive: true, expand: true }))
  const inGit = (await gitOk(work, ['ls-tree', '-r', '-t', '-z', 'HEAD']))
    .split('\0')
    .filter(Boolean)
  expect(files.map((it) => [it.oid, it.path])).toEqual(
    inGit.map((it) => [it.slice(12, 52), it.slice(53)]),
  )
  expect(files.find((it) => it.path === 'second.txt')?.lastCommit?.id).toBe(head)
  const below = await all(listFiles({ ...at, revision: 'refs/pr/1', path: 'data/with blank' }))
  expect(below.map((it) => it.path)).toEqual(['data/with blank/ü.txt'])
  const sha256 = createHash('sha256').update(big).digest('hex')
  const [info] = await pathsInfo({ ...at, paths: ['data/big.bin', 'nope'], expand: true })
  expect(info).toMatchObject({ path: 'data/big.bin', size: big.length, lfs: { oid: sha256 } })

  expect((await all(listCommits(at))).map((it) => it.title)).toEqual([
    'second',
    'add files',
    'initial commit',
  ])
  expect(await countCommits(at)).toBe(3)
  expect(await countCommits({ ...at, revision: 'refs/pr/1' })).toBe(2)

  expect(await fileExists({ ...at, path: 'data/big.bin' })).toBe(true)
  expect(await fileExists({ ...at, path: 'nope' })).toBe(false)
  const probe = await fileDownloadInfo({ ...at, path: 'data/big.bin' })
  expect(probe).toMatchObject({ size: big.length, etag: `"${sha256}"` })
  const raw = await fileDownloadInfo({ ...at, path: 'data/big.bin', raw: true })
  expect(raw?.size).toBeLessThan(200)
  expect(await fileDownloadInfo({ ...at, path: 'empty.txt' })).toMatchObject({ size: 0 })
  expect(await downloadFile({ ...at, path: 'nope' })).toBeNull()
  const blob = await downloadFile({ ...at, path: 'data/big.bin' })
  expect(Buffer.from((await blob?.arrayBuffer()) ?? new ArrayBuffer(0)).equals(big)).toBe(true)
  const slice = await blob?.slice(1000, 2000).arrayBuffer()
  expect(Buffer.from(slice ?? new ArrayBuffer(0)).equals(big.subarray(1000, 2000))).toBe(true)
  const empty = await downloadFile({ ...at, path: 'empty.txt' })
  expect((await empty?.arrayBuffer())?.byteLength).toBe(0)
  expect(
    await (
      await downloadFile({ ...at, path: 'data/with blank/ü.txt', revision: 'refs/pr/1' })
    )?.text(),
  ).toBe('blank')

  const parsed = await parseSafetensorsMetadata({ ...at, computeParametersCount: true })
  expect(parsed.parameterCount).toEqual({ F32: 12 })
})

test('@huggingface/hub follows pages and takes snapshots', async () => {
  const hub = await startTestHub()
  const ada = await hub.user('ada')
  expect((await hub.api('/api/repos/create', { as: ada, body: { name: 'm' } })).status).toBe(200)
  const work = await cloneRepo(hub, ada, 'ada/m')
  const names = Array.from({ length: 1_150 }, (_, n) => `f${String(n).padStart(4, '0')}.txt`)
  const big = randomBytes(200_000)
  await pushFiles(work, {
    ...Object.fromEntries(names.map((it) => [`many/${it}`, it])),
    'deep/er/big.bin': big,
  })
  const at = { hubUrl: hub.url, repo: 'ada/m' }
  const found = await all(listFiles({ ...at, path: 'many' }))
  expect(found.map((it) => it.path)).toEqual(names.map((it) => `many/${it}`))
  const empty = Array.from({ length: 4 }, (_, n) => `commit ${n}`)
  for (const message of empty) await gitOk(work, ['commit', '-q', '--allow-empty', '-m', message])
  await gitOk(work, ['push', '-q'])
  const titles = (await all(listCommits({ ...at, batchSize: 2 }))).map((it) => it.title)
  expect(titles).toEqual([...empty.toReversed(), 'add files', 'initial commit'])
  for (const n of [1, 2, 3])
    await hub.api('/api/repos/create', { as: ada, body: { name: `more-${n}` } })
  const models = await all(listModels({ hubUrl: hub.url, limit: 3 }))
  expect(models.map((it) => it.name)).toEqual(['ada/more-3', 'ada/more-2', 'ada/more-1'])

  await hub.api('/api/repos/create', { as: ada, body: { name: 'small' } })
  const small = await cloneRepo(hub, ada, 'ada/small')
  const head = await pushFiles(small, { 'deep/er/big.bin': big, 'note.txt': 'a note' })
  const cacheDir = await tempDir()
  const folder = await snapshotDownload({ hubUrl: hub.url, repo: 'ada/small', cacheDir })
  expect(folder).toContain(head)
  expect(await readFile(join(folder, 'deep/er/big.bin'))).toEqual(big)
  expect(await readFile(join(folder, 'note.txt'), 'utf8')).toBe('a note')
})
