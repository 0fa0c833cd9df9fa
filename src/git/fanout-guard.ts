import { mkdir, readdir, rm, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import type { Quarantine } from '../domain/ports.js'
import { newId } from '../lib/ids.js'

/*
 * When a push is accepted, git moves its loose objects into objects/ab/…: mkdir, then link. `git prune-packed`, a part
 * of every repacking, removes such directories when they are empty; between the two the push fails with "unable to
 * migrate objects to permanent storage". A file in the directory keeps it. Its name is one that git itself gives to
 * objects half written, so git passes over it, and sweeps it should this process die.
 */

/** Keeps the directories that this push will move objects into. Answers what lets go of them. */
export async function guardFanout(quarantine: Quarantine): Promise<() => Promise<void>> {
  const objects = dirname(quarantine.objectDirectory)
  const files: string[] = []
  for (const name of await readdir(quarantine.objectDirectory)) {
    if (!/^[0-9a-f]{2}$/.test(name)) continue
    const file = join(objects, name, `tmp_obj_push${newId()}`)
    await placeIn(file)
    files.push(file)
  }
  return async () => {
    await Promise.all(files.map((it) => rm(it, { force: true })))
  }
}

async function placeIn(file: string): Promise<void> {
  for (let attempt = 0; ; attempt += 1) {
    await mkdir(dirname(file), { recursive: true })
    try {
      await writeFile(file, '')
      return
    } catch (err) {
      // removed again before the file was in it
      if ((err as NodeJS.ErrnoException).code !== 'ENOENT' || attempt === 20) throw err
    }
  }
}
