import { copyFile, link, mkdir, readdir } from 'node:fs/promises'
import { join } from 'node:path'

/** The objects and refs of a generated repository (one pack, packed refs) into an empty bare one on the same machine. */
export async function copyInto(dir: string, source: string): Promise<void> {
  const packs = join(dir, 'objects/pack')
  await mkdir(packs, { recursive: true })
  for (const name of await readdir(join(source, 'objects/pack'))) {
    const [from, to] = [join(source, 'objects/pack', name), join(packs, name)]
    await link(from, to).catch(() => copyFile(from, to)) // git never writes to a pack again
  }
  await copyFile(join(source, 'packed-refs'), join(dir, 'packed-refs'))
}
