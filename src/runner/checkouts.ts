import { mkdir, open, readdir, rm } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import type { CheckoutFile, Checkouts } from '../domain/apps/ports.js'
import { HubError } from '../domain/errors.js'
import { newId } from '../lib/ids.js'

/**
 * `root/<app>/<random>/…`. Git's symbolic links come as files with their target in them, so nothing here leads out of the
 * directory.
 */
export function checkouts(root: string): Checkouts {
  const homeOf = (id: string) => {
    if (!/^\w{1,64}$/.test(id)) throw new HubError('internal', 'not an app id')
    return join(root, id)
  }
  return {
    async write(id, files, signal) {
      const directory = join(homeOf(id), newId())
      await mkdir(directory, { recursive: true, mode: 0o755 })
      for await (const file of files) {
        signal.throwIfAborted()
        await writeOne(directory, file, signal)
      }
      return directory
    },
    async keepOnly(id, directory) {
      const home = homeOf(id)
      if (directory === undefined) return rm(home, { recursive: true, force: true })
      for (const name of await readdir(home))
        if (join(home, name) !== directory)
          await rm(join(home, name), { recursive: true, force: true })
    },
  }
}

async function writeOne(directory: string, file: CheckoutFile, signal: AbortSignal): Promise<void> {
  const segments = file.path.split('/')
  if (segments.some((it) => it === '' || it === '.' || it === '..' || it.includes('\0')))
    throw new HubError('unprocessable', 'A file of this repository has an unusable path.')
  const target = join(directory, ...segments)
  const mode = file.executable ? 0o755 : 0o644
  await mkdir(dirname(target), { recursive: true })
  // ours first: nobody else would end a stream that was opened for nothing
  const handle = await open(target, 'wx', mode)
  try {
    const content = await file.open()
    if (content instanceof Readable) await pipeline(content, handle.createWriteStream(), { signal })
    else await handle.writeFile(content, { signal })
  } finally {
    await handle.close()
  }
}
