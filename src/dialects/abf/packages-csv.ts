import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { HubError } from '../../domain/errors.js'
import type { PackageRow } from '../../domain/packages/package-list.js'
import { EXPORT_WINDOW_SECONDS } from '../../domain/packages/platforms.js'
import { ignoreClientGone } from '../../http/send-bytes.js'
import { idOf } from './input.js'
import type { AbfRequest, AbfRoute } from './parts.js'

const HEADER =
  'Project owner,Project name,Package name,Epoch,Version,Release,Maintainer uname,Maintainer email,Committer uname,Committer email\n'

/** One accepted request per platform and window; further ones get the ordinary refusal, and Retry-After. */
async function exportPackages(it: AbfRequest): Promise<void> {
  const { shelves, packageList, stores } = it.parts.packages
  const { shelf, platform } = await shelves.open(it.caller, idOf(it.id), 'export')
  const wait = await stores.platforms.takeExportTurn(platform.id, EXPORT_WINDOW_SECONDS)
  if (wait) throw new HubError('forbidden', 'exported not long ago', { ...wait })
  it.res.set({
    'Content-Type': 'text/csv; charset=utf-8',
    'Content-Disposition': 'attachment; filename="packages.csv"',
    'Cache-Control': 'no-cache',
    'X-Accel-Buffering': 'no',
    'X-Content-Type-Options': 'nosniff',
  })
  const lines = async function* () {
    yield HEADER
    for await (const row of packageList.rows(it.caller, shelf)) yield toLine(row)
  }
  await pipeline(Readable.from(lines()), it.res).catch(ignoreClientGone)
}

function toLine(row: PackageRow): string {
  const cells = [
    row.owner,
    row.project,
    row.name,
    row.epoch ?? '',
    row.version,
    row.release,
    row.maintainer.uname,
    row.maintainer.email,
    row.committer.uname,
    row.committer.email,
  ]
  return `${cells.map(quoted).join(',')}\n`
}

/** RFC 4180. */
function quoted(cell: string): string {
  return /[",\r\n]/.test(cell) ? `"${cell.replaceAll('"', '""')}"` : cell
}

export const packagesRoute: AbfRoute = ['GET', 'repositories/:id/packages.csv', exportPackages]
