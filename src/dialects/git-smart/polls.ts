import { hash } from 'node:crypto'
import type { IncomingMessage, RequestListener, ServerResponse } from 'node:http'
import type { OpenedRepo } from '../../domain/access/access.js'
import type { KeptRight, KeptRights } from '../../domain/access/kept-rights.js'
import type { Caller } from '../../domain/types.js'
import { readAnnounced, unread } from '../../http/body.js'
import type { DirectWay } from '../../http/direct-answer.js'
import { parseRepoPath } from '../../protocol/repo-path.js'
import type { GitSmartState } from './parts.js'
import { advertisementOf } from './ref-lists.js'
import { isV2, NO_CACHE, protocolIn, typeOf } from './request.js'

/*
 * What polls ask all day (protocol v2: the advertisement, then ls-refs), answered without Express where nothing has to be
 * found out: the right to read is kept from a request that went through Express and nothing was written since, the refs on
 * disk are those of a kept snapshot, and the answer was encoded before. Everything else, and whatever is odd in any way,
 * is Express's, which decides and explains. So there is no refusal and no error in this file (decision 014).
 */
const ADVERTISEMENT = '/info/refs?service=git-upload-pack'
const LS_REFS = '/git-upload-pack'
/** Longer requests are no polls. */
const MAX_BODY_BYTES = 4 * 1024
const MAX_CREDENTIAL = 1_000

const ADVERTISED = [...NO_CACHE, 'Content-Type', typeOf('upload-pack', 'advertisement')]
const LISTED = [...NO_CACHE, 'Content-Type', typeOf('upload-pack', 'result')]
const LS_REFS_TYPE = typeOf('upload-pack', 'request')

/** A poll that went to Express: what its decision is kept under. */
interface Undecided {
  readonly key: string
  readonly base: string
  readonly version: string
}

export class Polls {
  readonly #state: GitSmartState
  readonly #rights: KeptRights
  readonly #undecided = new WeakMap<object, Undecided>()

  constructor(state: GitSmartState, rights: KeptRights) {
    this.#state = state
    this.#rights = rights
  }

  /** In front of Express. */
  listener(way: DirectWay): RequestListener {
    return (req, res) => {
      const base = baseOf(req)
      const key = base === undefined ? undefined : keyOf(req, base, way)
      if (base === undefined || key === undefined) return way.express(req, res)
      const right = this.#rights.find(key)
      if (!right) {
        this.#undecided.set(req, { key, base, version: this.#rights.version() })
        way.express(req, res)
        return
      }
      const answered =
        req.method === 'GET'
          ? this.#advertise(way, req, res, right)
          : this.#list(way, req, res, right)
      answered.catch((err) => res.destroy(err)) // as Express would: cut, and in the log
    }
  }

  /** Express let this caller read the repository. */
  decided(req: object, caller: Caller, { repo }: OpenedRepo): void {
    const it = this.#undecided.get(req)
    // the address and nothing besides, or something else would be answered under this key
    if (it && parseRepoPath(it.base)?.rest === '')
      this.#rights.keep(it.key, it.version, { caller, repo })
  }

  async #advertise(
    way: DirectWay,
    req: IncomingMessage,
    res: ServerResponse,
    { caller, repo }: KeptRight,
  ): Promise<void> {
    const answer = way.begin(req, res, 'git')
    answer.by(caller)
    const advertisement = await advertisementOf(this.#state, repo).catch(() => undefined)
    if (advertisement) answer.send(ADVERTISED, advertisement)
    else answer.leave()
  }

  async #list(
    way: DirectWay,
    req: IncomingMessage,
    res: ServerResponse,
    right: KeptRight,
  ): Promise<void> {
    const answer = way.begin(req, res, 'git')
    answer.by(right.caller)
    const body = await readAnnounced(req, MAX_BODY_BYTES).catch(() => undefined)
    if (!body) return // the client is gone
    const list = await this.#find(right, body).catch(() => undefined)
    if (list) return answer.send(LISTED, list)
    unread(req, body)
    answer.leave()
  }

  /** The answer to ls-refs, if it is there. */
  async #find({ repo }: KeptRight, body: Buffer): Promise<Buffer | undefined> {
    const { git, answers, questions } = this.#state
    const question = questions.find(body)
    if (question?.request.objectFormat !== repo.objectFormat) return undefined
    const snapshot = await git.snapshot(repo.id)
    // who finds other refs than those on record has to see to it (domain/repos/recovery.ts)
    return snapshot.digest === repo.refsDigest ? answers.find(snapshot, question.name) : undefined
  }
}

/** What comes before the poll's own part of the path; undefined for everything that is not exactly a poll. */
function baseOf({ method, url = '', headers }: IncomingMessage): string | undefined {
  const end = method === 'GET' ? ADVERTISEMENT : method === 'POST' ? LS_REFS : undefined
  if (end === undefined || !url.endsWith(end) || !isV2(protocolIn(headers))) return undefined
  if (method === 'POST' && !isShort(headers)) return undefined
  return url.slice(0, -end.length)
}

function isShort(headers: IncomingMessage['headers']): boolean {
  return (
    headers['content-type'] === LS_REFS_TYPE &&
    headers['content-encoding'] === undefined &&
    Number(headers['content-length']) <= MAX_BODY_BYTES
  )
}

/** Undefined when more than the Authorization header says who is asking. Holds no secret: a hash of it is enough. */
function keyOf(req: IncomingMessage, base: string, way: DirectWay): string | undefined {
  const { authorization = '', cookie, 'x-admin-token': admin } = req.headers
  if (admin !== undefined || authorization.length > MAX_CREDENTIAL) return undefined
  if (authorization === '') {
    return cookie === undefined ? `- ${way.addressOf(req)} ${base}` : undefined
  }
  return `${hash('sha256', authorization, 'base64')} ${way.addressOf(req)} ${base}`
}
