import { mkdir, readdir, rename, rm, stat, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { HubError } from '../domain/errors.js'
import type { ObjectFormat, RepoId } from '../domain/types.js'
import { newId } from '../lib/ids.js'
import { hasEnded, PROCESS_INSTANCE } from '../lib/process-instance.js'

/*
 * data/git/config                         settings that every repository includes
 * data/git/attributes                     files that are packed without looking for deltas
 * data/git/repos/ab/cd/repo_abcd….git     one bare repository, named by its immutable id
 * data/git/trash/…                        directories on their way out
 */
export class GitLayout {
  readonly root: string

  constructor(root: string) {
    this.root = root
  }

  get sharedConfig(): string {
    return join(this.root, 'config')
  }

  directory(id: RepoId): string {
    const hex = /^repo_([0-9a-f]{12})$/.exec(id)?.[1]
    if (!hex) throw new HubError('invalid_input', 'not a repository id')
    return join(this.root, 'repos', hex.slice(0, 2), hex.slice(2, 4), `${id}.git`)
  }

  /** Repository whose directory this is, as real path; undefined for anything else. */
  repositoryAt(path: string): RepoId | undefined {
    const id = /\/(repo_[0-9a-f]{12})\.git$/.exec(path)?.[1]
    return id && this.directory(id) === path ? id : undefined
  }

  /** Writes the settings that all repositories share; called at every start, so an upgrade reaches old repositories too. */
  async prepare(hooksDir: string): Promise<void> {
    await mkdir(join(this.root, 'repos'), { recursive: true })
    await mkdir(join(this.root, 'trash'), { recursive: true })
    const attributes = join(this.root, 'attributes')
    await replaceFile(attributes, ATTRIBUTES)
    await replaceFile(this.sharedConfig, sharedConfig(hooksDir, attributes))
  }

  async create(
    id: RepoId,
    options: { objectFormat: ObjectFormat; defaultBranch: string },
  ): Promise<void> {
    const target = this.directory(id)
    const temporary = this.#trash('new')
    for (const dir of ['objects/info', 'objects/pack', 'refs/heads', 'refs/tags', 'info'])
      await mkdir(join(temporary, dir), { recursive: true })
    await writeFile(join(temporary, 'HEAD'), `ref: refs/heads/${options.defaultBranch}\n`, {
      flush: true,
    })
    await writeFile(join(temporary, 'config'), repositoryConfig(options.objectFormat), {
      flush: true,
    })
    await mkdir(dirname(target), { recursive: true })
    await rename(temporary, target)
  }

  async exists(id: RepoId): Promise<boolean> {
    return stat(join(this.directory(id), 'HEAD')).then(
      () => true,
      () => false,
    )
  }

  async remove(id: RepoId): Promise<void> {
    // the rename takes the repository out of sight at once; the bytes may take their time
    const trash = this.#trash('gone')
    await rename(this.directory(id), trash).catch((err: NodeJS.ErrnoException) => {
      if (err.code !== 'ENOENT') throw err
    })
    await rm(trash, { recursive: true, force: true })
  }

  /** Removes what processes that died were making or removing. */
  async sweepTrash(): Promise<void> {
    for (const name of await readdir(join(this.root, 'trash')))
      if (name.startsWith('gone-') || hasEnded(name.slice('new-'.length)))
        await rm(join(this.root, 'trash', name), { recursive: true, force: true, maxRetries: 3 })
  }

  #trash(kind: 'new' | 'gone'): string {
    return join(this.root, 'trash', `${kind}-${PROCESS_INSTANCE}-${newId()}`)
  }

  async *list(): AsyncGenerator<RepoId> {
    const repos = join(this.root, 'repos')
    for (const a of await readdir(repos))
      for (const b of await readdir(join(repos, a)))
        for (const name of await readdir(join(repos, a, b)))
          if (/^repo_[0-9a-f]{12}\.git$/.test(name)) yield name.slice(0, -4)
  }
}

async function replaceFile(path: string, text: string): Promise<void> {
  const temporary = `${path}.${newId()}`
  await writeFile(temporary, text, { flush: true })
  await rename(temporary, path)
}

/** Compressed already, or numbers without likeness: looking for deltas costs minutes and saves nothing. */
const ATTRIBUTES = [
  ...['7z', 'bz2', 'gz', 'jar', 'lz4', 'rar', 'rpm', 'tgz', 'whl', 'xz', 'zip', 'zst'],
  ...['avif', 'flac', 'gif', 'jpeg', 'jpg', 'm4a', 'mkv', 'mov', 'mp3', 'mp4', 'ogg', 'opus'],
  ...['pdf', 'png', 'webm', 'webp'],
  ...['arrow', 'bin', 'ckpt', 'gguf', 'h5', 'msgpack', 'npy', 'npz', 'onnx', 'parquet', 'pkl'],
  ...['pt', 'pth', 'safetensors', 'tflite'],
]
  .map((it) => `*.${it} -delta\n`)
  .join('')

export function repositoryConfig(objectFormat: ObjectFormat): string {
  const sha256 = objectFormat === 'sha256'
  return `[core]
	repositoryformatversion = ${sha256 ? 1 : 0}
	filemode = true
	bare = true
${sha256 ? '[extensions]\n\tobjectformat = sha256\n' : ''}[include]
	path = ../../../../config
`
}

/** What old histories have and no client stumbles over (git-fsck(1) "FSCK MESSAGES"). */
export const RECEIVE_FSCK: readonly string[] = [
  'missingSpaceBeforeDate=warn',
  'zeroPaddedFilemode=warn',
  'missingTaggerEntry=warn',
  'badTimezone=warn',
  'missingSpaceBeforeEmail=warn',
  'missingNameBeforeEmail=warn',
  'badFilemode=warn',
  'gitmodulesParse=warn',
]

function sharedConfig(hooksDir: string, attributesFile: string): string {
  return `# written by packhorse at every start; settings of one repository belong into its own config
[core]
	hooksPath = ${JSON.stringify(hooksDir)}
	fsync = committed,loose-object,reference
	fsyncMethod = batch
	logAllRefUpdates = false
	bigFileThreshold = 32m
	attributesFile = ${JSON.stringify(attributesFile)}
[transfer]
	fsckObjects = true
	advertiseSID = false
	hideRefs = refs/packhorse
[receive]
	advertisePushOptions = true
	advertiseAtomic = true
	autogc = false
	updateServerInfo = false
	unpackLimit = 30
	denyDeletes = false
	denyDeleteCurrent = ignore
	denyNonFastForwards = false
	denyCurrentBranch = ignore
[receive "fsck"]
${RECEIVE_FSCK.map((it) => `\t${it.replace('=', ' = ')}\n`).join('')}[uploadpack]
	allowFilter = true
	allowReachableSHA1InWant = true
[http]
	receivepack = true
[uploadarchive]
	allowUnreachable = false
[gc]
	auto = 0
	writeCommitGraph = true
[repack]
	writeBitmaps = true
	useDeltaBaseOffset = true
[pack]
	threads = 2
	windowMemory = 256m
	writeReverseIndex = true
	writeBitmapLookupTable = true
[fetch]
	writeCommitGraph = false
[maintenance]
	auto = false
`
}
