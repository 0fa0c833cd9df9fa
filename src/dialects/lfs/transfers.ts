import type { IncomingMessage, RequestListener, ServerResponse } from 'node:http'
import type { KeptRight, KeptRights } from '../../domain/access/kept-rights.js'
import type { SignedAction } from '../../domain/access/signed-actions.js'
import { SMALL_OBJECT_BYTES } from '../../domain/ports.js'
import { readAnnounced, unread } from '../../http/body.js'
import { OPEN_HEADERS } from '../../http/cors.js'
import type { DirectAnswer, DirectWay } from '../../http/direct-answer.js'
import { openFor } from './objects.js'
import type { LfsParts } from './parts.js'

/*
 * Small objects, PUT to and GET from the links that a batch gave out, without Express. A link is checked each time; that
 * the user behind it still has the right is decided by the functions that Express' way uses, and kept as long as nothing
 * was written that could change a right or a lock. Whatever is refused, fails or is odd in any way is Express', which
 * decides again and explains: there is no refusal and no error in this file (decision 014).
 */
const LINK =
  /^\/lfs\/(repo_[0-9a-f]+)\/([0-9a-f]{64})\/(upload|download)\?token=([\w-]+\.[\w-]+\.[\w-]+)$/
/** Who sends one of these wants to be somebody, or something, that only Express understands. */
const ODD = ['authorization', 'cookie', 'x-admin-token', 'content-encoding', 'transfer-encoding']
const ODD_IN_GET = ['range', 'if-range', 'if-none-match']

const NEVER = new AbortController().signal

export class DirectTransfers {
  readonly #parts: LfsParts
  readonly #rights: KeptRights

  constructor(parts: LfsParts, rights: KeptRights) {
    this.#parts = parts
    this.#rights = rights
  }

  /** In front of `next`, which gets what is no transfer. */
  listener(way: DirectWay, next: RequestListener): RequestListener {
    return (req, res) => {
      const action = this.#actionOf(req, way)
      if (!action) return next(req, res)
      this.#follow(way, req, res, action).catch((err) => res.destroy(err))
    }
  }

  /** What the link permits; undefined unless the request is exactly a small transfer by a good link. */
  #actionOf(req: IncomingMessage, way: DirectWay): SignedAction | undefined {
    const { method, url = '', headers } = req
    if (method !== 'PUT' && method !== 'GET') return undefined
    const [, repoId, oid, step, token = ''] = LINK.exec(url) ?? []
    if (step !== (method === 'PUT' ? 'upload' : 'download')) return undefined
    if (ODD.some((it) => headers[it] !== undefined)) return undefined
    if (method === 'GET' && (way.namesFiles || ODD_IN_GET.some((it) => headers[it] !== undefined)))
      return undefined
    const action = this.#verify(token, `lfs.${step}`)
    if (!action || action.repoId !== repoId || action.oid !== oid) return undefined
    if (method === 'PUT' && headers['content-length'] !== String(action.size)) return undefined
    return action.size <= SMALL_OBJECT_BYTES ? action : undefined
  }

  #verify(token: string, op: SignedAction['op']): SignedAction | undefined {
    try {
      return this.#parts.signer.verify(token, op)
    } catch {
      return undefined
    }
  }

  async #follow(
    way: DirectWay,
    req: IncomingMessage,
    res: ServerResponse,
    action: SignedAction,
  ): Promise<void> {
    const answer = way.begin(req, res, 'lfs')
    const address = way.addressOf(req)
    const key = keyOf(action, address)
    const right = this.#rights.find(key) ?? (await this.#decide(action, key, address))
    if (!right) answer.leave()
    else if (action.op === 'lfs.upload') await this.#take(req, answer, action, right)
    else await this.#give(answer, action, right)
  }

  async #decide(
    action: SignedAction,
    key: string,
    address: string,
  ): Promise<KeptRight | undefined> {
    const version = this.#rights.version()
    try {
      const caller = await this.#parts.login.byAction(action, address)
      const needed = action.op === 'lfs.upload' ? 'write' : 'read'
      const right = { caller, repo: await openFor(this.#parts, action, caller, needed) }
      this.#rights.keep(key, version, right)
      return right
    } catch {
      return undefined
    }
  }

  async #take(
    req: IncomingMessage,
    answer: DirectAnswer,
    action: SignedAction,
    { caller, repo }: KeptRight,
  ): Promise<void> {
    answer.by(caller, repo)
    const body = await readAnnounced(req, SMALL_OBJECT_BYTES).catch(() => undefined)
    if (!body) return // the client is gone
    const taken = await this.#parts.objects.receive(repo, action, body, NEVER).then(
      () => true,
      () => false,
    )
    if (taken) return answer.sendEmpty(OPEN_HEADERS)
    unread(req, body)
    answer.leave()
  }

  async #give(
    answer: DirectAnswer,
    { oid }: SignedAction,
    { caller, repo }: KeptRight,
  ): Promise<void> {
    answer.by(caller)
    const bytes = await this.#read(repo, oid).catch(() => undefined)
    if (!bytes) return answer.leave()
    const etag = ['ETag', `"${oid}"`, 'Accept-Ranges', 'bytes', 'X-Content-Type-Options', 'nosniff']
    answer.send([...OPEN_HEADERS, ...FILE, ...etag], bytes)
  }

  async #read(repo: KeptRight['repo'], oid: string): Promise<Buffer | undefined> {
    const { objects } = this.#parts
    return objects.readSmall(await objects.read(repo, oid))
  }
}

const FILE = ['Content-Type', 'application/octet-stream', 'Content-Disposition', 'attachment']

/** All that the decision depends on, besides the database. */
function keyOf(action: SignedAction, address: string): string {
  const { op, repoId, userId, role = '', siteAdmin = false, proposal = false } = action
  return `${op} ${repoId} ${userId} ${role} ${siteAdmin} ${proposal} ${address}`
}
