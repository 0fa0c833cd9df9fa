import type { Router } from 'express'
import { z } from 'zod'
import { checkCardYaml } from '../../domain/cards/card-check.js'
import { HubError } from '../../domain/errors.js'
import { noteRead } from '../../http/audit.js'
import { check, readJson } from '../../http/body.js'

const MAX_BODY = 12 * 1024 * 1024

const Body = z.object({
  content: z.string(),
  repoType: z.enum(['model', 'dataset', 'space']).nullish(),
})

/** Clients ask before they commit a README.md; errors are answered in the same shape (huggingface-wire C2.9). */
export function validateYamlRoute(router: Router): void {
  router.post('/api/validate-yaml', async (req, res) => {
    noteRead(req)
    try {
      const { content, repoType } = check(Body, await readJson(req, MAX_BODY))
      const found = checkCardYaml(content, repoType ?? 'model')
      res.status(found.errors.length ? 400 : 200).json({
        errors: found.errors.map((message) => ({ message })),
        warnings: found.warnings.map((message) => ({ message })),
      })
    } catch (err) {
      if (!(err instanceof HubError) || err.code === 'internal') throw err
      const status = err.code === 'too_large' ? 413 : 400
      res
        .status(status)
        .json({ error: err.message, errors: [{ message: err.message }], warnings: [] })
    }
  })
}
