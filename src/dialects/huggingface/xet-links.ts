import type { Request, Response } from 'express'
import type { LfsObject } from '../../domain/lfs/ports.js'
import type { GitOid, Repo } from '../../domain/types.js'
import type { HfParts } from './parts.js'

const FILE_INFO = 'application/vnd.xet-fileinfo+json'

/**
 * Tells Xet clients where a file that is stored in chunks can be had as such (xet-wire 1.2). Python reads the headers of a
 * HEAD; @huggingface/hub asks for the type below and reads nothing else: answers true when that was the whole answer.
 */
export function offerXet(
  { req, res, parts }: { req: Request; res: Response; parts: HfParts },
  at: { repo: Repo; commit: GitOid; object: LfsObject },
): boolean {
  const { repo, commit, object } = at
  if (!object.xetHash) return false
  const base = parts.baseUrl(req)
  const auth = `${base}/api/${repo.kind}s/${repo.namespace}/${repo.name}/xet-read-token/${commit}`
  const info = `${base}/xet/v1/reconstructions/${object.xetHash}`
  res.set({
    'X-Xet-Hash': object.xetHash,
    Link: `<${auth}>; rel="xet-auth", <${info}>; rel="xet-reconstruction-info"`,
  })
  if (!req.get('accept')?.includes(FILE_INFO)) return false
  res.removeHeader('Content-Disposition')
  res.set({ 'Content-Type': FILE_INFO, ETag: `"${object.oid}"`, Vary: 'Accept' })
  res.send(JSON.stringify({ hash: object.xetHash, sha256: object.oid, size: object.size }))
  return true
}
