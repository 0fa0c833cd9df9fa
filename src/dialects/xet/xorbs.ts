import { HubError } from '../../domain/errors.js'
import { abortSignalOf } from '../../http/body.js'
import { MAX_XORB_BODY_BYTES } from '../../protocol/xet/xorb-validator.js'
import type { XetRequest } from './parts.js'
import { openSession } from './session.js'

/** POST /v1/xorbs/{prefix}/{hash} -> {"was_inserted": bool} */
export async function receiveXorb(it: XetRequest): Promise<void> {
  const { req, res, parts } = it
  const [hash = ''] = it.params
  const { repo } = await openSession(it, 'write')
  await parts.policy.requireWritable(repo)
  const claimed = Number(req.get('content-length') ?? 0)
  if (claimed > MAX_XORB_BODY_BYTES)
    throw new HubError('too_large', `A xorb has ${MAX_XORB_BODY_BYTES} bytes at most.`)
  await parts.quotas.requireRoom(repo, claimed)
  await parts.xorbs.receive(hash, req, abortSignalOf(res))
  // "inserted" is told as the repository sees it: others' uploads are none of the caller's business
  const isNew = await parts.xet.addUpload(repo.id, hash)
  res.json({ was_inserted: isNew })
}

/** HEAD: the xorbs that this repository brought. */
export async function headXorb(it: XetRequest): Promise<void> {
  const [hash = ''] = it.params
  const { repo } = await openSession(it, 'read')
  const xorb = (await it.parts.xet.findXorbs([hash])).get(hash)
  if (!xorb || !(await it.parts.xet.findUpload(repo.id, hash)))
    throw new HubError('object_not_found', 'There is no such xorb in this repository.')
  it.res.set('Content-Length', String(xorb.bytes)).end()
}
