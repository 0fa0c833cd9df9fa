import type { Request, Response } from 'express'
import { HubError } from '../../domain/errors.js'
import type { Repo, RepoFile } from '../../domain/types.js'
import { abortSignalOf } from '../../http/body.js'
import { sendBytes } from '../../http/send-bytes.js'
import type { SpacesParts } from './parts.js'

/**
 * A page of somebody's making under the hub's name: its scripts run, but as those of no origin, so that neither the session
 * nor the pages of the hub or of another Space are theirs.
 */
const SANDBOX = 'sandbox allow-scripts allow-forms allow-modals allow-popups allow-downloads'

interface Page {
  readonly req: Request
  readonly res: Response
  readonly repo: Repo
  /** Still percent-encoded, without the ticket. */
  readonly rest: string
  /** Everybody may read it. */
  readonly isOpen: boolean
}

/** The files of a static Space; any other leads to where the runner runs it. */
export async function servePage(parts: SpacesParts, page: Page): Promise<void> {
  const { req, res, rest } = page
  const repo = await parts.recorder.sync(page.repo)
  const config = await parts.spaces.config(repo)
  if ('problem' in config) throw new HubError('entry_not_found', config.message)
  if (config.sdk !== 'static') return leadToApp(parts, page)
  const path = decodePath(rest)
  const entry = await parts.contents.find(repo, config.commit, path === '' ? config.appFile : path)
  if (entry?.type === 'file') return sendFile(parts, { ...page, repo }, entry)
  const folder = path.replace(/\/$/, '')
  const found = folder === path ? entry : await parts.contents.find(repo, config.commit, folder)
  if (found?.type !== 'directory') throw new HubError('entry_not_found', 'There is no such file.')
  if (folder === path) {
    // relative links of a folder's page start inside it; a relative redirect keeps the ticket
    const last = rest.slice(rest.lastIndexOf('/') + 1)
    res.redirect(307, `./${last}/${req.originalUrl.slice(req.path.length)}`)
    return
  }
  const index = await parts.contents.find(repo, config.commit, `${folder}/index.html`)
  if (index?.type !== 'file') throw new HubError('entry_not_found', 'There is no such file.')
  await sendFile(parts, { ...page, repo }, index)
}

async function leadToApp(parts: SpacesParts, { res, repo, rest }: Page): Promise<void> {
  const { url } = await parts.spaces.visit(repo)
  if (!url) {
    const { stage, message } = await parts.spaces.runtime(repo)
    const starting = ['BUILDING', 'APP_STARTING', 'SLEEPING'].includes(stage)
    throw new HubError(
      starting ? 'busy' : 'unprocessable',
      `This Space does not run: ${stage}. ${message ?? ''}`.trim(),
    )
  }
  res.set('Cache-Control', 'no-store')
  // as a path below it, whatever it looks like: no other host
  const below = new URL(`./${rest.replace(/^\/+/, '')}`, url.endsWith('/') ? url : `${url}/`)
  res.redirect(302, below.toString())
}

async function sendFile(parts: SpacesParts, page: Page, file: RepoFile): Promise<void> {
  const { req, res, repo, isOpen } = page
  const name = file.path.slice(file.path.lastIndexOf('/') + 1)
  res.type(name.includes('.') ? name : 'application/octet-stream')
  // a host name of their own keeps public Spaces apart from the hub, but not private ones from other Spaces
  const alone = parts.spacesUrl !== undefined && isOpen
  res.set({
    ...(alone ? {} : { 'Content-Security-Policy': SANDBOX }),
    // a page without an origin needs it to read its own files; whoever may read them was decided before
    'Access-Control-Allow-Origin': '*',
    'Cross-Origin-Resource-Policy': 'cross-origin',
    'Referrer-Policy': isOpen ? 'strict-origin-when-cross-origin' : 'no-referrer',
    'Cache-Control': isOpen ? 'no-cache' : 'private, no-cache',
  })
  const signal = abortSignalOf(res)
  await sendBytes(req, res, {
    size: file.size,
    etag: file.lfsOid ?? file.blobOid.slice(0, 40),
    open: (range) => parts.contents.open(repo, file, range, signal),
  })
}

function decodePath(rest: string): string {
  try {
    return rest
      .split('/')
      .map((it) => {
        const text = decodeURIComponent(it)
        if (text.includes('/')) throw new Error('a slash inside a name')
        return text
      })
      .join('/')
  } catch {
    throw new HubError('invalid_input', 'The path cannot be decoded.')
  }
}
