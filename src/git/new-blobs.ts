import type { Quarantine } from '../domain/ports.js'
import type { GitOid } from '../domain/types.js'
import { CatFile } from './cat-file.js'
import { gitRecords } from './spawn.js'

const PAGE = 500

/**
 * Files that `tips` bring and no ref reached before, each blob once under one of its paths, up to `maxBytes` each.
 * The blobs may still be in quarantine.
 */
export async function* newBlobs(
  directory: string,
  tips: readonly GitOid[],
  options: { quarantine: Quarantine | undefined; maxBytes: number },
): AsyncGenerator<{ path: string; content: Buffer }> {
  if (tips.length === 0) return
  const filter = `--filter=combine:blob:limit=${options.maxBytes + 1}+object:type=blob`
  const args = ['--objects', filter, '--filter-provided-objects', '--stdin', '--not', '--all']
  const lines = gitRecords('rev-list', args, {
    cwd: directory,
    quarantine: options.quarantine,
    input: `${tips.join('\n')}\n`,
    separator: '\n',
  })
  const reader = new CatFile(directory, options.quarantine)
  try {
    let page: string[] = []
    for await (const line of lines) {
      page.push(line)
      if (page.length < PAGE) continue
      yield* readPage(reader, page)
      page = []
    }
    yield* readPage(reader, page)
  } finally {
    reader.close()
  }
}

async function* readPage(
  reader: CatFile,
  lines: readonly string[],
): AsyncGenerator<{ path: string; content: Buffer }> {
  // one after the other: a page of megabyte files must not sit in memory at once
  for (const line of lines) {
    const space = line.indexOf(' ')
    const oid = space < 0 ? line : line.slice(0, space)
    const got = await reader.contents(oid)
    if (got?.info.type === 'blob')
      yield { path: space < 0 ? oid : line.slice(space + 1), content: got.content }
  }
}
