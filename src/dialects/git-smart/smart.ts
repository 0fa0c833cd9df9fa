import { Readable } from 'node:stream'
import { abortSignalOf, bodyStream, dropRest } from '../../http/body.js'
import { callerOf } from '../../http/caller.js'
import { FLUSH, pktLine } from '../../protocol/pkt-line.js'
import { advertiseReceivePack } from '../../protocol/receive-pack.js'
import { sendDumbRefs } from './dumb.js'
import type { GitRequest } from './parts.js'
import { advertisementOf } from './ref-lists.js'
import { clientOf, isV2, protocolIn, requireContentType, sendWhole, typeOf } from './request.js'

/** GET info/refs (gitprotocol-http(5) "Discovering References"). */
export async function advertise(it: GitRequest): Promise<void> {
  const { req, res, opened, parts } = it
  const { service } = req.query
  if (service === undefined) return sendDumbRefs(it)
  const name = service === 'git-receive-pack' ? 'receive-pack' : 'upload-pack'
  res.setHeader('Content-Type', typeOf(name, 'advertisement'))
  const protocol = protocolIn(req.headers)
  const { id, objectFormat } = opened.repo
  if (name === 'upload-pack' && isV2(protocol)) {
    sendWhole(res, await advertisementOf(parts, opened.repo))
    return
  }
  if (name === 'receive-pack' && (await parts.git.isPlain(id))) {
    const snapshot = await parts.git.snapshot(id)
    const v1 = protocol?.split(':').includes('version=1') ?? false
    const answer = await parts.answers.get(snapshot, `receive-pack ${v1}`, () =>
      advertiseReceivePack(snapshot.refs, { objectFormat, agent: parts.agent, v1 }),
    )
    sendWhole(res, answer)
    return
  }
  await parts.git.runService(opened.repo.id, {
    service: name,
    advertise: true,
    protocol,
    prologue: Buffer.concat([pktLine(`# service=git-${name}\n`), FLUSH]),
    client: clientOf(it),
    input: Readable.from([]),
    output: res,
    signal: abortSignalOf(res),
  })
  res.end()
}

/** POST git-receive-pack. */
export async function receivePack(it: GitRequest): Promise<void> {
  const { req, res, opened, parts } = it
  requireContentType(it, 'receive-pack')
  res.type(typeOf('receive-pack', 'result'))
  await parts.pushes.receive(
    opened.repo,
    opened.right,
    { caller: callerOf(req), dialect: 'git' },
    {
      protocol: protocolIn(req.headers),
      input: bodyStream(req),
      output: res,
      signal: abortSignalOf(res),
      onHookError: (err) => req.log.error({ err }, 'hook failed'),
    },
  )
  res.end()
  dropRest(req)
}
