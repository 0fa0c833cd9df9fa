import { readdir } from 'node:fs/promises'
import { join } from 'node:path'
import type { Git } from './lib/git.js'

export interface FsckResult {
  readonly checked: number
  readonly empty: number
  readonly broken: readonly string[]
}

/** Every bare repository in the hub's data: speed that costs a bit of data is no speed. */
export async function fsckAll(git: Git, data: string): Promise<FsckResult> {
  const broken: string[] = []
  let checked = 0
  let empty = 0
  for await (const dir of repositoriesIn(data)) {
    if (await hasNoObjects(dir)) {
      empty += 1
      continue
    }
    checked += 1
    await git.run(['fsck', '--full', '--no-progress'], { cwd: dir }).catch((error: Error) => {
      broken.push(`${dir}: ${error.message}`)
    })
  }
  return { checked, empty, broken }
}

async function* repositoriesIn(dir: string): AsyncGenerator<string> {
  for (const entry of await readdir(dir, { withFileTypes: true })) {
    if (!entry.isDirectory()) continue
    const path = join(dir, entry.name)
    if (entry.name.endsWith('.git')) yield path
    else yield* repositoriesIn(path)
  }
}

async function hasNoObjects(dir: string): Promise<boolean> {
  const folders = await readdir(join(dir, 'objects')).catch(() => [])
  if (folders.some((name) => /^[0-9a-f]{2}$/.test(name))) return false
  const packs = await readdir(join(dir, 'objects/pack')).catch(() => [])
  return !packs.some((name) => name.endsWith('.pack'))
}
