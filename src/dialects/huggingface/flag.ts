import type { Request } from 'express'

/** Python sends `True`, `true` or `1` (huggingface-wire A3). */
export function flag(req: Request, name: string): boolean {
  const value = req.query[name]
  return typeof value === 'string' && /^(true|1|yes)$/i.test(value)
}
