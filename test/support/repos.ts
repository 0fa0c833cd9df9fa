import { mkdir, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { gitOk, type TestHub, type TestUser, tempDir } from './hub.js'

export type Files = Readonly<Record<string, string | Buffer>>

/** Clones a repository into a directory of its own, with git-lfs at work. */
export async function cloneRepo(hub: TestHub, user: TestUser, path: string): Promise<string> {
  const dir = await tempDir()
  await gitOk(dir, ['clone', '-q', hub.gitUrl(path, user), 'work'])
  const work = join(dir, 'work')
  await gitOk(work, ['lfs', 'install', '--local'])
  return work
}

/** Commits these files and pushes them; answers the new tip. */
export async function pushFiles(
  work: string,
  files: Files,
  message = 'add files',
  ref = 'HEAD',
): Promise<string> {
  for (const [path, content] of Object.entries(files)) {
    await mkdir(dirname(join(work, path)), { recursive: true })
    await writeFile(join(work, path), content)
  }
  await gitOk(work, ['add', '-A'])
  await gitOk(work, ['commit', '-qm', message])
  await gitOk(work, ['push', '-q', 'origin', ref === 'HEAD' ? 'HEAD' : `HEAD:${ref}`])
  return gitOk(work, ['rev-parse', 'HEAD'])
}

/** A safetensors file with one tensor of each given type and number of elements. */
export function safetensors(
  tensors: Readonly<Record<string, { dtype: 'F32' | 'I8'; shape: number[] }>>,
): Buffer {
  let at = 0
  const header: Record<string, unknown> = { __metadata__: { format: 'pt' } }
  for (const [name, { dtype, shape }] of Object.entries(tensors)) {
    const bytes = shape.reduce((n, it) => n * it, 1) * (dtype === 'F32' ? 4 : 1)
    header[name] = { dtype, shape, data_offsets: [at, at + bytes] }
    at += bytes
  }
  const json = Buffer.from(JSON.stringify(header))
  const length = Buffer.alloc(8)
  length.writeBigUInt64LE(BigInt(json.length))
  return Buffer.concat([length, json, Buffer.alloc(at, 1)])
}
