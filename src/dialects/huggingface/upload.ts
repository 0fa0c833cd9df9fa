import type { Readable } from 'node:stream'
import busboy from 'busboy'
import type { Request } from 'express'
import type { FileContent } from '../../domain/commits/changes.js'
import { HubError } from '../../domain/errors.js'
import { abortSignalOf, bodyStream, dropRest } from '../../http/body.js'
import { Spool } from '../../lib/spool.js'
import { repoUrlPath } from '../../protocol/repo-path.js'
import { actorOf } from './branches.js'
import type { HfRequest, RepoRoute } from './parts.js'

/** The oldest upload (seed 001): one file as the body, or as the file of a form. */
export const uploadRoutes: readonly RepoRoute[] = [
  { method: 'POST', path: /^upload\/([^/]+)\/(.+)$/, right: 'write', handle: upload },
]

async function upload(it: HfRequest): Promise<void> {
  const { req, res, parts, caller, opened, params } = it
  const [revision = '', path = ''] = params
  const target = await parts.targets.find(caller, opened, revision)
  const spool = new Spool(parts.spoolDir, { memoryBytes: 1024 * 1024, pieceBytes: 1024 * 1024 })
  try {
    const content = req.is('multipart/form-data')
      ? await readForm(req, spool, parts.maxCommitBytes)
      : await spoolBytes(bodyStream(req), spool, parts.maxCommitBytes)
    const order = {
      summary: `Upload ${path}`,
      description: '',
      parentCommit: undefined,
      changes: [{ type: 'put', path, content } as const],
    }
    const signal = abortSignalOf(res)
    const { oid } = await parts.fileCommits.commit(opened.repo, target, order, actorOf(it), signal)
    const url = `${parts.baseUrl(req)}${repoUrlPath(opened.repo)}`
    const segments = path.split('/').map(encodeURIComponent).join('/')
    res.json({
      url: `${url}/resolve/${encodeURIComponent(revision)}/${segments}`,
      commitOid: oid,
      commitUrl: `${url}/commit/${oid}`,
    })
  } finally {
    await spool.close()
  }
}

async function spoolBytes(body: Readable, spool: Spool, maxBytes: number): Promise<FileContent> {
  const piece = spool.begin()
  let size = 0
  for await (const chunk of readable(body)) {
    size += chunk.length
    if (size > maxBytes)
      throw new HubError('too_large', `The file is larger than ${maxBytes} bytes.`)
    await piece.write(chunk)
  }
  return piece.end()
}

/** What breaks while it is read (the client left, bytes that are no gzip) is the request's fault. */
async function* readable(body: Readable): AsyncGenerator<Buffer> {
  try {
    yield* body.iterator({ destroyOnReturn: false }) as AsyncIterable<Buffer>
  } catch (err) {
    throw new HubError('invalid_input', 'The request body cannot be read to its end.', {}, err)
  }
}

/** The first file of a multipart form. */
async function readForm(req: Request, spool: Spool, maxBytes: number): Promise<FileContent> {
  let form: busboy.Busboy
  try {
    form = busboy({ headers: req.headers, limits: { files: 1, fields: 20, parts: 25 } })
  } catch (err) {
    throw new HubError('invalid_input', 'The form cannot be read.', {}, err)
  }
  const source = bodyStream(req)
  try {
    return await new Promise<FileContent>((resolve, reject) => {
      let content: Promise<FileContent> | undefined
      form.on('file', (_name, file) => {
        file.on('error', () => undefined)
        content = spoolBytes(file, spool, maxBytes)
        content.catch(reject)
      })
      form.on('error', (err) =>
        reject(new HubError('invalid_input', 'The form cannot be read.', {}, err)),
      )
      form.on('close', () => {
        if (content) content.then(resolve, reject)
        else reject(new HubError('invalid_input', 'The form has no file.'))
      })
      req.once('aborted', () => reject(new HubError('invalid_input', 'The upload was cut off.')))
      // not handed on by pipe(): the form would wait for the rest for ever
      source.once('error', (err) =>
        reject(new HubError('invalid_input', 'The form cannot be read.', {}, err)),
      )
      source.pipe(form)
    })
  } finally {
    source.unpipe(form)
    form.destroy()
    dropRest(req)
  }
}
