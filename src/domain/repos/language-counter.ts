import type { FileStore } from '../content/ports.js'
import type { Repo } from '../types.js'
import { LanguageCount } from './languages.js'
import type { LanguageStore } from './ports.js'

const PAGE = 5_000

/** Keeps each repository's main language, counted in the background after its default branch moved. */
export class LanguageCounter {
  readonly #files: FileStore
  readonly #languages: LanguageStore

  constructor(parts: { files: FileStore; languages: LanguageStore }) {
    this.#files = parts.files
    this.#languages = parts.languages
  }

  async count(repo: Repo): Promise<void> {
    const total = new LanguageCount()
    for (let after = ''; ; ) {
      const page = await this.#files.list(repo.id, after, PAGE)
      for (const it of page) if (it.lfsOid === null) total.add(it.path, it.size)
      const last = page.at(-1)
      if (!last) break
      after = last.path
    }
    await this.#languages.set(repo.id, total.main, repo.headOid)
  }
}
