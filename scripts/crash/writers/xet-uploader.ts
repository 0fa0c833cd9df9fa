import { Chunker } from '../../../src/protocol/xet/chunker.js'
import { chunkHash, rangeHash } from '../../../src/protocol/xet/content-hash.js'
import { hashToHex } from '../../../src/protocol/xet/hash-string.js'
import { MerkleTree } from '../../../src/protocol/xet/merkle-tree.js'
import { encodeShard } from '../../../src/protocol/xet/shard-encoder.js'
import type { ShardTerm } from '../../../src/protocol/xet/shard-format.js'
import { XorbBuilder } from '../../../src/protocol/xet/xorb-builder.js'
import { demand, request, type Session, sha256, type Writer } from '../session.js'

interface Place {
  readonly xorbHash: Uint8Array
  readonly position: number
}
interface Chunk {
  readonly hash: Buffer
  readonly rawBytes: number
}

/**
 * Uploads files as Xet clients do: chunks that it remembers are referred to without asking, new ones go into a xorb, a shard
 * makes the file, a commit names it. A collector without grace may take what no file stands on yet; never more.
 */
export class XetUploader implements Writer {
  readonly name: string
  acknowledged = 0
  readonly #repo: string
  readonly #files = new Map<string, string>()
  readonly #known = new Map<string, Place>()
  #content: Buffer = Buffer.alloc(0)
  #open: { path: string; oid: string } | undefined
  #made = false
  #serial = 0

  constructor(number: number) {
    this.name = `xet ${number}`
    this.#repo = `xet-${number}`
  }

  async act(it: Session): Promise<void> {
    if (!this.#made) {
      await demand(it, '/api/repos/create', { json: { type: 'model', name: this.#repo } })
      this.#made = true
    }
    this.#serial += 1
    const content = this.#next(it)
    const oid = sha256(content)
    if (!(await this.#upload(it, content, oid))) return
    const path = `file-${this.#serial % 5}.safetensors`
    this.#open = { path, oid }
    const value = { path, algo: 'sha256', oid, size: content.length }
    const lines = [
      { key: 'header', value: { summary: `file ${this.#serial}` } },
      { key: 'lfsFile', value },
    ]
    const body = lines.map((line) => `${JSON.stringify(line)}\n`).join('')
    const url = `/api/models/${it.user}/${this.#repo}/commit/main`
    await demand(it, url, { body, type: 'application/x-ndjson' })
    this.#files.set(path, oid)
    this.#open = undefined
    this.acknowledged += 1
  }

  /** Now and then something new, else the content before with another stretch in it. */
  #next(it: Session): Buffer {
    if (this.#content.length === 0 || it.random.below(4) === 0)
      this.#content = it.random.bytes(50_000 + it.random.below(3_000_000))
    else {
      const patch = it.random.bytes(1 + it.random.below(40_000))
      this.#content = Buffer.from(this.#content)
      patch.copy(this.#content, it.random.below(this.#content.length))
    }
    return this.#content
  }

  /** False when a chunk that it remembered was collected: it forgets all of them and starts anew. */
  async #upload(it: Session, content: Buffer, oid: string): Promise<boolean> {
    const { builder, chunks, terms } = this.#plan(content)
    const url = `/api/models/${it.user}/${this.#repo}/xet-write-token/main`
    const { casUrl, accessToken } = JSON.parse((await demand(it, url)).body.toString()) as {
      casUrl: string
      accessToken: string
    }
    const as = { ...it, token: accessToken }
    const built = builder.finish()
    if (built) {
      const path = `${casUrl}/v1/xorbs/default/${hashToHex(built.index.hash)}`
      await demand(as, path, { body: Buffer.concat(built.records) })
      for (const place of this.#known.values())
        if (place.xorbHash === UNFINISHED) Object.assign(place, { xorbHash: built.index.hash })
    }
    const file = this.#file(chunks, terms(), Buffer.from(oid, 'hex'))
    const body = encodeShard([file], built ? [built.index] : [])
    const reply = await request(as, `${casUrl}/v1/shards`, { body })
    if (reply.status === 200) return true
    this.#known.clear()
    this.#content = Buffer.alloc(0)
    if (reply.status === 400 && /not stored/.test(reply.body.toString())) return false
    throw new Error(`shard: ${reply.status} ${reply.body}`)
  }

  #plan(content: Buffer) {
    for (const [hash, { xorbHash }] of this.#known)
      if (xorbHash === UNFINISHED) this.#known.delete(hash) // of an upload that was cut off
    const builder = new XorbBuilder('none')
    const chunker = new Chunker()
    const chunks: Chunk[] = []
    const last = [...chunker.push(content), chunker.finish()]
    for (const raw of last) {
      if (!raw) continue
      const hash = chunkHash(raw)
      chunks.push({ hash, rawBytes: raw.length })
      if (!this.#known.has(hash.toString('hex')))
        this.#known.set(hash.toString('hex'), {
          xorbHash: UNFINISHED,
          position: builder.add(raw, hash),
        })
    }
    const terms = () =>
      chunks.map(({ hash, rawBytes }): ShardTerm => {
        const { xorbHash, position } = this.#known.get(hash.toString('hex')) as Place
        return { xorbHash, rawBytes, chunkStart: position, chunkEnd: position + 1 }
      })
    return { builder, chunks, terms }
  }

  #file(chunks: readonly Chunk[], terms: readonly ShardTerm[], digest: Buffer) {
    const tree = new MerkleTree()
    for (const { hash, rawBytes } of chunks) tree.add(hash, rawBytes)
    const rangeHashes = chunks.map(({ hash }) => rangeHash(hash))
    return { hash: tree.fileHash(), terms, rangeHashes, sha256: digest }
  }

  async verify(it: Session): Promise<string[]> {
    const problems: string[] = []
    for (const [path, oid] of this.#files) {
      const reply = await request(it, `/${it.user}/${this.#repo}/resolve/main/${path}`)
      const found = sha256(reply.body)
      const isOpen = this.#open?.path === path && this.#open.oid === found
      if (reply.status !== 200 || (found !== oid && !isOpen))
        problems.push(`${this.name}: ${path} is ${reply.status} ${found}, not ${oid}`)
      if (isOpen) this.#files.set(path, found)
    }
    this.#open = undefined
    return problems
  }
}

const UNFINISHED = new Uint8Array(32)
