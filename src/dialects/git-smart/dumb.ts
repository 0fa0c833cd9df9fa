import { HubError } from '../../domain/errors.js'
import { sendBytes } from '../../http/send-bytes.js'
import { parseRepoPath } from '../../protocol/repo-path.js'
import type { GitRequest } from './parts.js'

/*
 * The dumb protocol (gitprotocol-http(5)): old mirroring scripts read refs and objects as files. The ref list is made
 * from the snapshot, so nothing has to be kept up to date by update-server-info.
 */
export async function sendDumbRefs({ res, opened, parts }: GitRequest): Promise<void> {
  const snapshot = await parts.git.snapshot(opened.repo.id)
  const peeled = await parts.git.peel(opened.repo.id, snapshot)
  const lines = snapshot.refs.flatMap(({ name, oid }) => {
    const target = peeled.get(name)
    return [`${oid}\t${name}\n`, ...(target ? [`${target}\t${name}^{}\n`] : [])]
  })
  res.type('text/plain').end(lines.join(''))
}

export async function sendDumbFile({ req, res, opened, parts }: GitRequest): Promise<void> {
  const rest = parseRepoPath(req.path)?.rest ?? ''
  const { id } = opened.repo
  if (rest === 'HEAD') {
    const { defaultBranch } = await parts.git.snapshot(id)
    res.type('text/plain').end(`ref: refs/heads/${defaultBranch}\n`)
    return
  }
  if (rest === 'objects/info/packs') {
    const packs = await parts.git.listPacks(id)
    res.type('text/plain').end(
      packs
        .map((it) => `P ${it}\n`)
        .concat('\n')
        .join(''),
    )
    return
  }
  const file = await parts.git.openObjectFile(id, rest)
  if (!file) throw new HubError('object_not_found', 'Not found')
  const type = rest.endsWith('.pack')
    ? 'application/x-git-packed-objects'
    : rest.endsWith('.idx')
      ? 'application/x-git-packed-objects-toc'
      : 'application/x-git-loose-object'
  res.type(type)
  await sendBytes(req, res, file)
}
