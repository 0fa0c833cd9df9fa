import { once } from 'node:events'
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { demand, listRemote, request, type Session, type Writer } from '../session.js'

const MAIN = 'refs/heads/main'
const WEBHOOKS = '/api/settings/webhooks'
const PATIENCE_MS = 60_000

interface Told {
  readonly delivery: number
  readonly updatedRefs?: readonly { ref: string; oldSha: string | null; newSha: string | null }[]
}

/**
 * Commits, with a receiver of its own beside it that takes some deliveries and refuses others: whatever moved the branch must
 * have been told of, at least once and in order, each move beginning where the one before it ended.
 */
export class WebhookListener implements Writer {
  readonly name = 'webhook listener'
  acknowledged = 0
  readonly #repo = 'hooked'
  readonly #told: Told[] = []
  readonly #commits: string[] = []
  #server: Server | undefined
  #serial = 0
  #refusing = true

  async act(it: Session): Promise<void> {
    if (!this.#server) await this.#begin(it)
    this.#serial += 1
    const lines = [
      { key: 'header', value: { summary: `commit ${this.#serial}` } },
      { key: 'file', value: { path: 'n.txt', content: `${this.#serial}`, encoding: 'utf-8' } },
    ]
    const body = lines.map((line) => `${JSON.stringify(line)}\n`).join('')
    const url = `/api/models/${it.user}/${this.#repo}/commit/main`
    const reply = await demand(it, url, { body, type: 'application/x-ndjson' })
    this.#commits.push((JSON.parse(reply.body.toString()) as { commitOid: string }).commitOid)
    this.acknowledged += 1
  }

  async verify(it: Session): Promise<string[]> {
    if (!this.#server) return []
    const tip = (await listRemote(it, this.#repo))?.get(MAIN)
    if (!tip) return [`${this.name}: the repository is gone or empty`]
    this.#refusing = false
    const deadline = Date.now() + PATIENCE_MS
    while (this.#moves().at(-1)?.newSha !== tip && Date.now() < deadline)
      await new Promise((resolve) => setTimeout(resolve, 50))
    this.#refusing = true
    const moves = this.#moves()
    const problems: string[] = []
    if (moves.at(-1)?.newSha !== tip) problems.push(`nothing was told of ${tip}`)
    moves.forEach(({ oldSha, newSha }, n) => {
      const before = moves[n - 1]?.newSha
      if (before !== undefined && oldSha !== before)
        problems.push(`told that ${newSha} follows ${oldSha}, but ${before} came before it`)
    })
    const known = new Set(moves.map((move) => move.newSha))
    for (const oid of this.#commits)
      if (!known.has(oid)) problems.push(`${oid} was acknowledged and not told of`)
    return problems.map((text) => `${this.name}: ${text}`)
  }

  /** Without what was told again. */
  #moves() {
    const once = this.#told.filter((told, n) => told.delivery !== this.#told[n - 1]?.delivery)
    return once.flatMap((told) => told.updatedRefs ?? []).filter((move) => move.ref === MAIN)
  }

  async #begin(it: Session): Promise<void> {
    await demand(it, '/api/repos/create', { json: { type: 'model', name: this.#repo } })
    this.#server = createServer(async (req, res) => {
      const pieces: Buffer[] = []
      for await (const piece of req) pieces.push(piece as Buffer)
      const refuse = this.#refusing && Math.random() < 0.3
      if (!refuse) {
        const { updatedRefs } = JSON.parse(Buffer.concat(pieces).toString('utf8')) as Told
        const delivery = Number(req.headers['x-webhook-delivery'])
        this.#told.push(updatedRefs ? { delivery, updatedRefs } : { delivery })
      }
      res.writeHead(refuse ? 503 : 200).end()
    })
    this.#server.listen(0, '127.0.0.1').unref()
    await once(this.#server, 'listening')
    const { port } = this.#server.address() as AddressInfo
    await demand(it, WEBHOOKS, {
      json: {
        url: `http://127.0.0.1:${port}/`,
        watched: [{ type: 'model', name: `${it.user}/${this.#repo}` }],
        domains: ['repo'],
      },
    })
  }

  static async isServed(it: Session): Promise<boolean> {
    return (await request(it, WEBHOOKS)).status === 200
  }
}
