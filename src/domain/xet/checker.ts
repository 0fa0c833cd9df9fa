import type { XetStore } from './ports.js'
import type { Xorbs } from './xorbs.js'

const PAGE = 500

/** Looks for damage in the content-addressed store: bytes that are missing or altered, objects without their chunks. */
export class XetChecker {
  readonly #xet: XetStore
  readonly #xorbs: Xorbs

  constructor(parts: { xet: XetStore; xorbs: Xorbs }) {
    this.#xet = parts.xet
    this.#xorbs = parts.xorbs
  }

  /** One line per problem. `readAll` decompresses and hashes every chunk, otherwise only sizes are looked at. */
  async *check(options: { readAll: boolean }): AsyncGenerator<string, void> {
    for (let after = ''; ; ) {
      const page = await this.#xet.scanXorbs(after, PAGE)
      for (const xorb of page) {
        const damage = await this.#xorbs.findDamage(xorb, options)
        if (damage) yield `xorb ${xorb.hash}: ${damage}`
      }
      const last = page.at(-1)
      if (!last) break
      after = last.hash
    }
    for (const oid of await this.#xet.listBrokenObjects(PAGE))
      yield `LFS object ${oid}: stored in chunks, but nothing says which`
  }
}
