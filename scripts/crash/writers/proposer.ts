import { join } from 'node:path'
import {
  demand,
  git,
  gitOk,
  initLocal,
  listRemote,
  makeCommit,
  remoteOf,
  request,
  type Session,
  type Writer,
} from '../session.js'

const MAIN = 'refs/heads/main'
const METHODS = ['merge', 'squash', 'rebase'] as const
/** Looked at again after each restart; all of them would take ever longer. */
const REMEMBERED = 6

interface Pull {
  readonly num: number
  readonly file: string
  head: string
  comments: number
  merged: boolean
}

type Intent =
  | { readonly act: 'open'; readonly file: string }
  | { readonly act: 'push'; readonly head: string }
  | { readonly act: 'comment' | 'merge' }

interface Details {
  readonly status: string
  readonly changes: { readonly mergeCommitId?: string }
  readonly events: readonly {
    readonly type: string
    readonly data: { readonly oid?: string; readonly status?: string }
  }[]
}

/**
 * Pull requests from beginning to end: opened with a commit, pushed to by git, commented, merged. A merged one is in the
 * branch and an open one is not; what was said and pushed stands in it once.
 */
export class Proposer implements Writer {
  readonly name: string
  acknowledged = 0
  readonly #repo: string
  #pulls: Pull[] = []
  #intent: Intent | undefined
  #made = false
  #serial = 0

  constructor(number: number) {
    this.name = `proposer ${number}`
    this.#repo = `proposed-${number}`
  }

  async act(it: Session): Promise<void> {
    if (!this.#made) {
      await initLocal(join(it.workDir, 'local'))
      await demand(it, '/api/repos/create', { json: { type: 'model', name: this.#repo } })
      this.#made = true
    }
    const pull = this.#pulls.at(-1)
    this.#serial += 1
    if (!pull || pull.merged) await this.#open(it)
    else if (this.#serial % 4 === 0) await this.#merge(it, pull)
    else if (this.#serial % 4 === 1) await this.#comment(it, pull)
    else await this.#push(it, pull)
    this.#intent = undefined
    this.acknowledged += 1
  }

  async #open(it: Session): Promise<void> {
    const file = `proposed-${this.#serial}.txt`
    this.#intent = { act: 'open', file }
    const value = { path: file, content: 'bmV3', encoding: 'base64' }
    const lines = [
      { key: 'header', value: { summary: file } },
      { key: 'file', value },
    ]
    const body = lines.map((line) => `${JSON.stringify(line)}\n`).join('')
    const url = `${this.#api(it)}/commit/main?create_pr=1`
    const reply = await demand(it, url, { body, type: 'application/x-ndjson' })
    const { commitOid, pullRequestUrl } = JSON.parse(reply.body.toString())
    const num = Number(/\d+$/.exec(pullRequestUrl)?.[0])
    this.#pulls.push({ num, file, head: commitOid, comments: 1, merged: false })
  }

  async #push(it: Session, pull: Pull): Promise<void> {
    const dir = join(it.workDir, 'local')
    const url = remoteOf(it, this.#repo)
    await gitOk(dir, ['fetch', '-q', url, `refs/pr/${pull.num}`])
    const files = [{ path: pull.file, content: it.random.bytes(200).toString('hex') }]
    const head = await makeCommit(dir, pull.head, `push ${this.#serial}`, files)
    this.#intent = { act: 'push', head }
    const { code, stderr } = await git(dir, ['push', url, `${head}:refs/pr/${pull.num}`])
    if (code !== 0) throw new Error(`push to refs/pr/${pull.num}: ${stderr.slice(0, 300)}`)
    pull.head = head
  }

  async #comment(it: Session, pull: Pull): Promise<void> {
    this.#intent = { act: 'comment' }
    const json = { comment: `comment ${this.#serial}` }
    await demand(it, `${this.#api(it)}/discussions/${pull.num}/comment`, { json })
    pull.comments += 1
  }

  async #merge(it: Session, pull: Pull): Promise<void> {
    this.#intent = { act: 'merge' }
    const json = { method: METHODS[pull.num % 3] }
    await demand(it, `${this.#api(it)}/discussions/${pull.num}/merge`, { json })
    pull.merged = true
  }

  async verify(it: Session): Promise<string[]> {
    if (!this.#made) return []
    const refs = await listRemote(it, this.#repo)
    if (!refs) return [`${this.name}: the repository is gone`]
    await this.#findOpened(it)
    const dir = join(it.workDir, 'local')
    await gitOk(dir, ['fetch', '-q', remoteOf(it, this.#repo), '+refs/heads/main:refs/seen/main'])
    const problems: string[] = []
    for (const pull of this.#pulls) {
      const last = pull === this.#pulls.at(-1)
      problems.push(...(await this.#check(it, dir, pull, refs, last ? this.#intent : undefined)))
    }
    if (!refs.has(MAIN)) problems.push('main is gone')
    this.#intent = undefined
    this.#pulls = this.#pulls.slice(-REMEMBERED)
    return problems.map((text) => `${this.name}: ${text}`)
  }

  /** A pull request that nobody heard of may have been opened all the same. */
  async #findOpened(it: Session): Promise<void> {
    const intent = this.#intent
    if (intent?.act !== 'open') return
    const reply = await demand(it, `${this.#api(it)}/discussions`)
    const { discussions } = JSON.parse(reply.body.toString()) as {
      discussions: { num: number; title: string }[]
    }
    const found = discussions.find((pull) => pull.title === intent.file)
    if (!found) return
    const head = (await listRemote(it, this.#repo))?.get(`refs/pr/${found.num}`) ?? 'no ref'
    this.#pulls.push({ num: found.num, file: intent.file, head, comments: 1, merged: false })
    this.#intent = undefined
  }

  async #check(
    it: Session,
    dir: string,
    pull: Pull,
    refs: ReadonlyMap<string, string>,
    intent: Intent | undefined,
  ): Promise<string[]> {
    const problems: string[] = []
    const at = `pull request ${pull.num}`
    const reply = await request(it, `${this.#api(it)}/discussions/${pull.num}?diff=1`)
    if (reply.status !== 200) return [`${at} answers ${reply.status}`]
    const { status, changes, events } = JSON.parse(reply.body.toString()) as Details
    const head = refs.get(`refs/pr/${pull.num}`)
    if (intent?.act === 'push' && head === intent.head) pull.head = intent.head
    if (head !== pull.head) problems.push(`${at}: its ref is at ${head}, not ${pull.head}`)
    const told = events.filter((event) => event.type === 'commit').map((event) => event.data.oid)
    if (told.at(-1) !== head) problems.push(`${at}: told of ${told.at(-1)}, its ref is at ${head}`)
    if (new Set(told).size !== told.length) problems.push(`${at}: a commit is told twice`)
    const comments = events.filter((event) => event.type === 'comment').length
    if (intent?.act === 'comment' && comments === pull.comments + 1) pull.comments = comments
    if (comments !== pull.comments) problems.push(`${at}: ${comments} comments`)
    const landed = (await git(dir, ['cat-file', '-e', `refs/seen/main:${pull.file}`])).code === 0
    if (intent?.act === 'merge' && status === 'merged') pull.merged = true
    if ((status === 'merged') !== pull.merged) problems.push(`${at}: it is ${status}`)
    if (landed !== pull.merged) problems.push(`${at}: ${status}, but landed is ${landed}`)
    const merge = changes.mergeCommitId
    if (pull.merged && !(merge && (await isIn(dir, merge))))
      problems.push(`${at}: its merge commit ${merge} is not in main`)
    const merges = events.filter((event) => event.data.status === 'merged').length
    if (merges !== (pull.merged ? 1 : 0)) problems.push(`${at}: merged ${merges} times`)
    return problems
  }

  #api(it: Session): string {
    return `/api/models/${it.user}/${this.#repo}`
  }
}

async function isIn(dir: string, oid: string): Promise<boolean> {
  const { code } = await git(dir, ['merge-base', '--is-ancestor', oid, 'refs/seen/main'])
  return code === 0
}
