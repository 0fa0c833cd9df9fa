import { mkdir, readdir, rename } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import type { GitEngine } from '../../domain/ports.js'
import { linkOrCopy } from '../../lib/link-or-copy.js'
import { openStores, type Stores } from '../db/index.js'
import { copySecretKey } from '../secret-key.js'
import { fileDigest, type Manifest, readManifest, repositoryPath } from './manifest.js'

/** Puts a backup into an empty data directory. The database comes last: before it, there is no hub to start. */
export async function restore(
  directory: string,
  target: { dataDir: string; database: string; openGit: () => Promise<GitEngine> },
  onProgress: (done: number, total: number) => void,
): Promise<Manifest> {
  const manifest = await readManifest(directory)
  if (!manifest) throw new Error(`${directory} holds no finished backup`)
  const source = join(directory, manifest.database.file)
  if ((await fileDigest(source)) !== manifest.database.sha256)
    throw new Error(`${source} is not what the manifest says: the backup is damaged`)
  await requireEmpty(target.dataDir)
  await requireEmpty(target.database)
  await mkdir(dirname(target.database), { recursive: true })
  const unfinished = `${target.database}.restoring`
  await linkOrCopy(source, unfinished, { link: false })
  await mkdir(target.dataDir, { recursive: true })
  await copySecretKey(directory, target.dataDir)
  await copyTree(join(directory, 'objects'), join(target.dataDir, 'objects'))
  const git = await target.openGit()
  const stores = await openStores(unfinished)
  try {
    let done = 0
    for (let after = 0; ; ) {
      const page = await stores.repos.scan(after, 500)
      for (const repo of page) {
        await git.create(repo.id, repo)
        const refs = await stores.refs.list(repo.id)
        await git.importObjects(repo.id, repositoryPath(directory, repo.id), refs)
        done += 1
        onProgress(done, manifest.repositories)
      }
      const last = page.at(-1)
      if (!last) break
      after = last.seq
    }
    await forgetProcesses(stores)
  } finally {
    await stores.close()
  }
  await rename(unfinished, target.database)
  return manifest
}

/** Locks and jobs of the processes that ran when the backup was made, wherever that was. */
async function forgetProcesses({ holds, jobs, settings }: Stores): Promise<void> {
  for (const owner of await holds.listOwners()) await holds.releaseOwner(owner)
  for (const owner of await jobs.listOwners()) await jobs.releaseOwner(owner)
  await settings.remove('backup_until')
}

async function requireEmpty(path: string): Promise<void> {
  const names = await readdir(path).catch((err: NodeJS.ErrnoException) => {
    if (err.code === 'ENOENT') return []
    if (err.code === 'ENOTDIR') return [path]
    throw err
  })
  if (names.length > 0) throw new Error(`${path} is not empty: nothing was restored`)
}

async function copyTree(from: string, to: string): Promise<void> {
  for (const entry of await readdir(from, { withFileTypes: true }).catch(() => []))
    if (entry.isDirectory()) await copyTree(join(from, entry.name), join(to, entry.name))
    else await linkOrCopy(join(from, entry.name), join(to, entry.name), { link: false })
}
