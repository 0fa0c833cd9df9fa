import { FLUSH, pktLine, pktLines } from './pkt-line.js'

/** As `git receive-pack` of this hub's configuration says it (gitprotocol-capabilities(5)). */
const CAPABILITIES =
  'report-status report-status-v2 delete-refs side-band-64k quiet atomic ofs-delta push-options'

/**
 * What `git receive-pack --http-backend-info-refs` says of a repository without alternates and shallow commits
 * (gitprotocol-pack(5) "Reference Discovery"): protocol v0, which is also the answer to v2; v1 is a line more.
 * @param refs in git's order of the name, without hidden ones.
 */
export function advertiseReceivePack(
  refs: readonly { readonly name: string; readonly oid: string }[],
  it: { objectFormat: 'sha1' | 'sha256'; agent: string; v1: boolean },
): Buffer {
  const capabilities = `${CAPABILITIES} object-format=${it.objectFormat} agent=${it.agent}`
  const [first, ...rest] = refs
  const zero = '0'.repeat(it.objectFormat === 'sha256' ? 64 : 40)
  const head = first ? `${first.oid} ${first.name}` : `${zero} capabilities^{}`
  return Buffer.concat([
    pktLine('# service=git-receive-pack\n'),
    FLUSH,
    ...(it.v1 ? [pktLine('version 1\n')] : []),
    pktLine(`${head}\0${capabilities}\n`),
    pktLines(rest.map(({ oid, name }) => `${oid} ${name}\n`)),
    FLUSH,
  ])
}
