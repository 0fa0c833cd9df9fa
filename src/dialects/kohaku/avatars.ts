import busboy from 'busboy'
import { MAX_AVATAR_BYTES } from '../../domain/accounts/avatars.js'
import { HubError } from '../../domain/errors.js'
import type { Namespace } from '../../domain/types.js'
import { readBody } from '../../http/body.js'
import { sendBytes } from '../../http/send-bytes.js'
import { type KohakuRequest, type KohakuRoute, param } from './parts.js'
import { openNamespace } from './profiles.js'

const FORM_OVERHEAD = 64 * 1024

export const avatarRoutes: readonly KohakuRoute[] = (['user', 'org'] as const).flatMap(
  (type): KohakuRoute[] => {
    const path = type === 'user' ? '/api/users/:name/avatar' : '/api/organizations/:name/avatar'
    return [
      { method: 'get', path, handle: (it) => show(it, type) },
      { method: 'post', path, handle: (it) => upload(it, type) },
      { method: 'delete', path, handle: (it) => remove(it, type) },
    ]
  },
)

async function show(it: KohakuRequest, type: Namespace['type']): Promise<void> {
  const namespace = await it.parts.stores.accounts.findNamespace(param(it, 'name'))
  const avatar = namespace?.type === type ? await it.parts.avatars.find(namespace.id) : undefined
  if (!namespace || !avatar) throw new HubError('not_found', 'There is no avatar.')
  // made by users: a browser must never take it for a page
  it.res.set({
    'Content-Type': avatar.type,
    'Content-Security-Policy': "default-src 'none'; sandbox",
    'Cache-Control': 'public, max-age=300',
  })
  await sendBytes(it.req, it.res, {
    size: avatar.size,
    etag: avatar.sha256,
    open: (range) => it.parts.avatars.open(namespace.id, avatar, range),
  })
}

async function upload(it: KohakuRequest, type: Namespace['type']): Promise<void> {
  const namespace = await own(it, type)
  const body = await readBody(it.req, MAX_AVATAR_BYTES + FORM_OVERHEAD)
  const form = /^multipart\/form-data/i.test(it.req.get('content-type') ?? '')
  const avatar = await it.parts.avatars.set(
    namespace.id,
    form ? await fileOfForm(it.req.headers, body) : body,
  )
  it.res.json({ success: true, message: 'Avatar uploaded successfully', size_bytes: avatar.size })
}

async function remove(it: KohakuRequest, type: Namespace['type']): Promise<void> {
  const namespace = await own(it, type)
  await it.parts.avatars.remove(namespace.id)
  it.res.json({ success: true, message: 'Avatar deleted successfully' })
}

async function own(it: KohakuRequest, type: Namespace['type']): Promise<Namespace> {
  const namespace = await openNamespace(it, param(it, 'name'), 'admin')
  if (namespace.type !== type) throw new HubError('account_not_found', 'There is no such account.')
  return namespace
}

/** The first file of a form. */
function fileOfForm(headers: KohakuRequest['req']['headers'], body: Buffer): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    const wrong = (err?: unknown) =>
      reject(new HubError('invalid_input', 'The form holds no file.', {}, err))
    try {
      const form = busboy({ headers, limits: { files: 1, fields: 10, parts: 11 } })
      const chunks: Buffer[] = []
      let seen = false
      form.on('file', (_name, file) => {
        seen = true
        file.on('data', (chunk: Buffer) => chunks.push(chunk))
      })
      form.on('close', () => (seen ? resolve(Buffer.concat(chunks)) : wrong()))
      form.on('error', wrong)
      form.end(body)
    } catch (err) {
      wrong(err)
    }
  })
}
