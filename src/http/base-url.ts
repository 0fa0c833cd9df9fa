import type { Request } from 'express'
import { HubError } from '../domain/errors.js'

/** Public base URL for answers: the configured one, else what the client called us. No trailing slash. */
export function baseUrlOf(publicUrl: string | undefined): (req: Request) => string {
  return (req) => {
    if (publicUrl) return publicUrl
    const host = req.get('host') ?? ''
    const url = `${req.protocol}://${host}`
    // a proxy in front names the protocol; and whoever reads these answers parses them
    const isFine = /^[A-Za-z0-9.:_[\]-]{1,255}$/.test(host) && /^https?:/.test(url)
    if (!isFine || !URL.canParse(url)) throw new HubError('invalid_input', 'bad Host header')
    return url
  }
}
