import { demand, listRemote, Refused, request, type Session, type Writer } from '../session.js'

const MAIN = 'refs/heads/main'

/** Commits through the Hugging Face API (huggingface-wire, POST …/commit/main), which moves the branch without a push. */
export class CommitCaller implements Writer {
  readonly name: string
  acknowledged = 0
  readonly #repo: string
  readonly #files = new Map<string, string>()
  #tip: string | undefined
  #open: { path: string; content: string } | undefined
  #made = false
  #serial = 0

  constructor(number: number) {
    this.name = `committer ${number}`
    this.#repo = `committed-${number}`
  }

  async act(it: Session): Promise<void> {
    if (!this.#made) {
      await demand(it, '/api/repos/create', { json: { type: 'model', name: this.#repo } })
      this.#made = true
    }
    this.#serial += 1
    const path = `file-${this.#serial % 6}.txt`
    const content = `${this.#serial} ${it.random.bytes(100).toString('hex')}`
    this.#open = { path, content }
    const file = { path, content: Buffer.from(content).toString('base64'), encoding: 'base64' }
    const lines = [
      { key: 'header', value: { summary: `commit ${this.#serial}` } },
      { key: 'file', value: file },
    ]
    const body = lines.map((line) => `${JSON.stringify(line)}\n`).join('')
    const url = `/api/models/${it.user}/${this.#repo}/commit/main`
    const reply = await demand(it, url, { body, type: 'application/x-ndjson' })
    const { commitOid } = JSON.parse(reply.body.toString()) as { commitOid: string }
    this.#files.set(path, content)
    this.#tip = commitOid
    this.#open = undefined
    this.acknowledged += 1
  }

  async verify(it: Session): Promise<string[]> {
    if (!this.#made) return []
    const problems: string[] = []
    const found = (await listRemote(it, this.#repo))?.get(MAIN)
    if (!found) return [`${this.name}: the repository is gone or empty`]
    if (this.#tip && found !== this.#tip) {
      if (!this.#open) problems.push(`main is at ${found}, not ${this.#tip}`)
      else this.#files.set(this.#open.path, this.#open.content)
    } else if (!this.#tip && this.#open && (await this.#has(it, this.#open)))
      this.#files.set(this.#open.path, this.#open.content)
    this.#tip = found
    this.#open = undefined
    for (const [path, content] of this.#files)
      if (!(await this.#has(it, { path, content }))) problems.push(`${path} has other content`)
    return problems.map((text) => `${this.name}: ${text}`)
  }

  async #has(it: Session, file: { path: string; content: string }): Promise<boolean> {
    const reply = await request(it, `/${it.user}/${this.#repo}/resolve/main/${file.path}`)
    return reply.status === 200 && reply.body.toString() === file.content
  }

  /** The route belongs to a dialect that a build may lack. */
  static async isServed(it: Session): Promise<boolean> {
    const url = `/api/models/${it.user}/nothing-here/commit/main`
    const body = `${JSON.stringify({ key: 'header', value: { summary: 'x' } })}\n`
    await demand(it, '/api/repos/create', { json: { type: 'model', name: 'probe' } }).catch(
      (err) => {
        if (!(err instanceof Refused)) throw err
      },
    )
    const reply = await request(it, url.replace('nothing-here', 'probe'), {
      body,
      type: 'application/x-ndjson',
    })
    return reply.status !== 404
  }
}
