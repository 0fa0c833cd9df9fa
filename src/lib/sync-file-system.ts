import { execFile } from 'node:child_process'

/**
 * Brings everything that was written to the file system of `path` to the disk (syncfs(2), which Node does not have, by
 * `sync -f`). Answers false where there is no such command or it fails.
 */
export function syncFileSystem(path: string): Promise<boolean> {
  return new Promise((resolve) => {
    execFile('sync', ['-f', path], (err) => resolve(err === null))
  })
}
