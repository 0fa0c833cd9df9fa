import { createHash } from 'node:crypto'
import { createReadStream } from 'node:fs'
import { open, readFile, rename } from 'node:fs/promises'
import { join } from 'node:path'

/*
 * A backup is a directory:
 *   manifest.json              names everything else; written last, so there is always one whole backup
 *   packhorse-<time>.sqlite    the database at one instant, with the refs of every repository
 *   git/ab/cd/repo_….git/…     object files of each repository, at least what those refs reach
 *   objects/…                  LFS and Xet bytes (not when they are in S3)
 *   secret.key                 what stored secrets are encrypted with (not when the operator gives PACKHORSE_SECRET_KEY)
 * All but the first two are files that never change, so a repetition only brings what is new.
 */
export interface Manifest {
  readonly format: 1
  readonly createdAt: string
  readonly database: { readonly file: string; readonly bytes: number; readonly sha256: string }
  readonly repositories: number
  readonly objects: number
  readonly objectBytes: number
  readonly objectsIn: 'here' | 's3'
  /** Digest of the refs that were found to be reachable within the backup, by repository. */
  readonly verified: Readonly<Record<string, string>>
}

export async function readManifest(directory: string): Promise<Manifest | undefined> {
  const text = await readFile(join(directory, 'manifest.json'), 'utf8').catch(
    (err: NodeJS.ErrnoException) => {
      if (err.code !== 'ENOENT') throw err
    },
  )
  if (text === undefined) return undefined
  const manifest = JSON.parse(text) as Manifest
  if (manifest.format !== 1) throw new Error('the backup was written by a newer build')
  return manifest
}

export async function writeManifest(directory: string, manifest: Manifest): Promise<void> {
  const temporary = join(directory, 'manifest.json.new')
  const file = await open(temporary, 'w')
  try {
    await file.writeFile(`${JSON.stringify(manifest, null, 1)}\n`)
    await file.sync()
  } finally {
    await file.close()
  }
  await rename(temporary, join(directory, 'manifest.json'))
}

export async function fileDigest(path: string): Promise<string> {
  const hash = createHash('sha256')
  for await (const chunk of createReadStream(path)) hash.update(chunk as Buffer)
  return hash.digest('hex')
}

export function repositoryPath(directory: string, id: string): string {
  const hex = id.slice('repo_'.length)
  return join(directory, 'git', hex.slice(0, 2), hex.slice(2, 4), `${id}.git`)
}
