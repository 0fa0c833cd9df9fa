import { mkdir, open, readdir, readFile, rm, stat } from 'node:fs/promises'
import { join } from 'node:path'
import type { BackupLease } from '../../domain/jobs/backup-lease.js'
import type { GitEngine, ObjectStore } from '../../domain/ports.js'
import type { Repo } from '../../domain/types.js'
import { linkOrCopy } from '../../lib/link-or-copy.js'
import { hasEnded, PROCESS_INSTANCE } from '../../lib/process-instance.js'
import { syncFileSystem } from '../../lib/sync-file-system.js'
import { openStores, type Stores } from '../db/index.js'
import { copySecretKey } from '../secret-key.js'
import {
  fileDigest,
  type Manifest,
  readManifest,
  repositoryPath,
  writeManifest,
} from './manifest.js'

export interface BackupParts {
  readonly config: { readonly dataDir: string }
  readonly stores: Stores
  readonly git: GitEngine
  readonly store: ObjectStore
  readonly lease: BackupLease
  readonly onProgress: (step: 'objects' | 'repositories', done: number, total: number) => void
}

/** Bytes that the database names may go while it is copied; then it is copied again. */
const ATTEMPTS = 5

/**
 * A consistent copy of everything while the hub runs. The database is copied first, at one instant; it names the refs
 * and objects of that instant, all of which are in place by then, and what would remove them waits for the lease.
 */
export async function backUp(parts: BackupParts, directory: string): Promise<Manifest> {
  await mkdir(directory, { recursive: true, mode: 0o700 })
  const release = await lockDirectory(directory)
  try {
    return await parts.lease.during(async () => {
      for (let attempt = 1; ; attempt += 1) {
        const missing: string[] = []
        const manifest = await copyAll(parts, directory, missing)
        if (manifest) return manifest
        if (attempt === ATTEMPTS)
          throw new Error(
            ['incomplete, the backup before is kept:', ...missing.slice(0, 20)].join('\n  '),
          )
      }
    })
  } finally {
    await release()
  }
}

/** Undefined when something that the database names was not there. */
async function copyAll(
  parts: BackupParts,
  directory: string,
  missing: string[],
): Promise<Manifest | undefined> {
  const before = await readManifest(directory)
  const createdAt = new Date().toISOString()
  const database = `packhorse-${createdAt.replace(/\W/g, '')}.sqlite`
  const file = join(directory, database)
  await parts.stores.copyTo(file)
  const copy = await openStores(file)
  const kept = new Map<string, ReadonlySet<string>>()
  const verified: Record<string, string> = {}
  let objects = { names: new Set<string>(), bytes: 0 }
  try {
    const total = await copy.repos.count({})
    for await (const repo of readyRepos(copy)) {
      const names = await copyRepository(parts, copy, directory, repo, before)
      if (names) {
        kept.set(repo.id, names)
        verified[repo.id] = repo.refsDigest
      } else missing.push(`${repo.namespace}/${repo.name}: objects are missing`)
      parts.onProgress('repositories', kept.size, total)
    }
    objects = await copyObjects(parts, directory)
    await copySecretKey(parts.config.dataDir, directory)
    missing.push(...(await missingObjects(parts, copy, objects.names)))
  } finally {
    await copy.close()
  }
  if (missing.length > 0) {
    await rm(file)
    return undefined
  }
  const manifest: Manifest = {
    format: 1,
    createdAt,
    database: { file: database, bytes: (await stat(file)).size, sha256: await fileDigest(file) },
    repositories: kept.size,
    objects: objects.names.size,
    objectBytes: objects.bytes,
    objectsIn: parts.store.localPath ? 'here' : 's3',
    verified,
  }
  await writeManifest(directory, manifest)
  await dropOld(parts, directory, database, kept, objects.names)
  return manifest
}

async function* readyRepos(stores: Stores): AsyncGenerator<Repo> {
  for (let after = 0; ; ) {
    const page = await stores.repos.scan(after, 500)
    yield* page
    const last = page.at(-1)
    if (!last) return
    after = last.seq
  }
}

/** The object files that are now there; undefined when they do not hold what the refs reach. */
async function copyRepository(
  { git }: BackupParts,
  copy: Stores,
  directory: string,
  repo: Repo,
  before: Manifest | undefined,
): Promise<ReadonlySet<string> | undefined> {
  const target = repositoryPath(directory, repo.id)
  await mkdir(target, { recursive: true })
  const names = await git.exportObjects(repo.id, target)
  if (before?.verified[repo.id] === repo.refsDigest) return names
  const refs = await copy.refs.list(repo.id)
  const whole = await git.objectsReach(repo.id, target, [...new Set(refs.map((it) => it.oid))])
  return whole ? names : undefined
}

async function copyObjects({ store, onProgress }: BackupParts, directory: string) {
  const names = new Set<string>()
  let bytes = 0
  if (!store.localPath) return { names, bytes }
  for await (const { key, size } of store.list('')) {
    if (/^(incoming|parts|bundles|journal)\//.test(key)) continue // made anew, or files already
    const done = linkOrCopy(store.localPath(key), join(directory, 'objects', key), { link: true })
    // what goes away meanwhile is either not named by the database or found missing below
    await done.catch((err: NodeJS.ErrnoException) => {
      if (err.code !== 'ENOENT') throw err
    })
    names.add(key)
    bytes += size
    onProgress('objects', names.size, names.size)
  }
  // the newest small ones may be in the page cache only, and a link is no copy (decision 013)
  await syncFileSystem(directory)
  return { names, bytes }
}

async function missingObjects(
  { store }: BackupParts,
  copy: Stores,
  names: ReadonlySet<string>,
): Promise<string[]> {
  const missing: string[] = []
  if (!store.localPath) return missing
  for (let after = ''; ; ) {
    const page = await copy.lfs.scanObjects(after, 1_000)
    for (const { oid, key } of page)
      if (key !== null && !names.has(key)) missing.push(`LFS object ${oid} is missing`)
    const last = page.at(-1)
    if (!last) return missing
    after = last.oid
  }
}

/** What only the backup before needed. */
async function dropOld(
  { git }: BackupParts,
  directory: string,
  database: string,
  kept: ReadonlyMap<string, ReadonlySet<string>>,
  objects: ReadonlySet<string>,
): Promise<void> {
  for (const name of await readdir(directory))
    if (/^packhorse-.*\.sqlite/.test(name) && !name.startsWith(database))
      await rm(join(directory, name), { force: true })
  for (const a of await listed(join(directory, 'git')))
    for (const b of await listed(join(directory, 'git', a)))
      for (const name of await listed(join(directory, 'git', a, b))) {
        const names = kept.get(name.replace(/\.git$/, ''))
        const path = join(directory, 'git', a, b, name)
        if (names) await git.dropOtherObjects(path, names)
        else await rm(path, { recursive: true, force: true })
      }
  await dropFiles(join(directory, 'objects'), '', objects)
}

async function dropFiles(root: string, prefix: string, keep: ReadonlySet<string>): Promise<void> {
  for (const entry of await readdir(join(root, prefix), { withFileTypes: true }).catch(() => [])) {
    const key = prefix ? `${prefix}/${entry.name}` : entry.name
    if (entry.isDirectory()) await dropFiles(root, key, keep)
    else if (!keep.has(key)) await rm(join(root, key), { force: true })
  }
}

async function listed(directory: string): Promise<string[]> {
  return readdir(directory).catch(() => [])
}

/** One backup into a directory at a time. */
async function lockDirectory(directory: string): Promise<() => Promise<void>> {
  const path = join(directory, 'in-progress')
  const owner = await readFile(path, 'utf8').catch(() => undefined)
  if (owner !== undefined && hasEnded(owner)) await rm(path, { force: true })
  const file = await open(path, 'wx').catch((err: NodeJS.ErrnoException) => {
    if (err.code === 'EEXIST')
      throw new Error(`another backup into ${directory} is running (${path})`)
    throw err
  })
  await file.writeFile(PROCESS_INSTANCE).finally(() => file.close())
  return () => rm(path, { force: true })
}
