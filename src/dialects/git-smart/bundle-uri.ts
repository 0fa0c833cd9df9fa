import { HubError } from '../../domain/errors.js'
import { dropRest } from '../../http/body.js'
import { sendBytes } from '../../http/send-bytes.js'
import { FLUSH, pktLine } from '../../protocol/pkt-line.js'
import { parseRepoPath, repoUrlPath } from '../../protocol/repo-path.js'
import type { GitRequest } from './parts.js'

/** How long a link to the object store lasts: a clone asks for it at once. */
const LINK_SECONDS = 600

/**
 * The answer to `command=bundle-uri` (gitprotocol-v2(5), gitformat of the keys: git-config(1) `bundle.*`): one bundle, or
 * none when it went since the advertisement.
 */
export async function sendBundleList({ req, res, opened, parts }: GitRequest): Promise<void> {
  const { repo } = opened
  const { direct } = parts.store
  const bundle = await parts.bundles.find(repo, () => parts.git.snapshot(repo.id))
  const uri =
    bundle &&
    (direct
      ? await direct.presignGet(bundle.key, { seconds: LINK_SECONDS })
      : `${parts.baseUrl(req)}${repoUrlPath(repo)}.git/bundles/${bundle.id}`)
  const lines = uri ? ['bundle.version=1', 'bundle.mode=all', `bundle.branches.uri=${uri}`] : []
  dropRest(req)
  res.type('application/x-git-upload-pack-result')
  res.end(Buffer.concat([...lines.map((it) => pktLine(`${it}\n`)), FLUSH]))
}

/** GET bundles/<id>: nothing but the bundle that is offered at this moment. */
export async function sendBundle({ req, res, opened, parts }: GitRequest): Promise<void> {
  const { repo } = opened
  const bundle = await parts.bundles.find(repo, () => parts.git.snapshot(repo.id))
  if (!bundle || parseRepoPath(req.path)?.rest !== `bundles/${bundle.id}`)
    throw new HubError('object_not_found', 'Not found')
  res.type('application/x-git-bundle')
  await sendBytes(req, res, {
    size: bundle.size,
    etag: bundle.id,
    open: (range) => parts.store.open(bundle.key, range),
  })
}
