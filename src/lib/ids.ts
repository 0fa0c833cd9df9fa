import { createHash, randomBytes, timingSafeEqual } from 'node:crypto'

export function newRepoId(): string {
  return `repo_${randomBytes(6).toString('hex')}`
}

export function newId(): string {
  return randomBytes(12).toString('hex')
}

const ALPHABET = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789'

/** `hf_` + 37 letters and digits: the shape JS clients insist on. About 220 bits. */
export function newTokenSecret(): string {
  let text = ''
  while (text.length < 37)
    for (const byte of randomBytes(64))
      if (byte < 248 && text.length < 37) text += ALPHABET[byte % 62]
  return `hf_${text}`
}

export function sha256Hex(text: string | Buffer): string {
  return createHash('sha256').update(text).digest('hex')
}

/** Compares secrets of any length without telling by time where they differ. */
export function sameSecret(a: string, b: string): boolean {
  return timingSafeEqual(
    createHash('sha256').update(a).digest(),
    createHash('sha256').update(b).digest(),
  )
}

/** ISO-8601 UTC, the one form in which times are kept. */
export function isoNow(offsetMs = 0): string {
  return new Date(Date.now() + offsetMs).toISOString()
}
