import { createCipheriv, createDecipheriv, hkdfSync, randomBytes } from 'node:crypto'
import { HubError } from '../errors.js'

const FORM = 'v1'

/**
 * Secrets at rest: AES-256-GCM with a random nonce each, bound to what they belong to, so that a row cannot be swapped for
 * another. Text: `v1.nonce.tag.bytes`, base64url.
 */
export class SecretBox {
  readonly #key: Buffer

  /** `secret`: the operator's text or the generated key, at least 32 characters. */
  constructor(secret: string) {
    this.#key = Buffer.from(hkdfSync('sha256', secret, '', 'packhorse secrets at rest', 32))
  }

  seal(text: string, belongsTo: string): string {
    const nonce = randomBytes(12)
    const cipher = createCipheriv('aes-256-gcm', this.#key, nonce)
    cipher.setAAD(Buffer.from(belongsTo))
    const bytes = Buffer.concat([cipher.update(text, 'utf8'), cipher.final()])
    const parts = [nonce, cipher.getAuthTag(), bytes].map((it) => it.toString('base64url'))
    return [FORM, ...parts].join('.')
  }

  /** Throws `storage_failed` when the key is another one, or the text was changed or belongs elsewhere. */
  open(sealed: string, belongsTo: string): string {
    try {
      const [form, nonce, tag, bytes] = sealed.split('.')
      if (form !== FORM || !nonce || !tag || bytes === undefined) throw new Error('unknown form')
      const decipher = createDecipheriv('aes-256-gcm', this.#key, Buffer.from(nonce, 'base64url'), {
        authTagLength: 16,
      })
      decipher.setAAD(Buffer.from(belongsTo))
      decipher.setAuthTag(Buffer.from(tag, 'base64url'))
      return (
        decipher.update(Buffer.from(bytes, 'base64url'), undefined, 'utf8') + decipher.final('utf8')
      )
    } catch (err) {
      throw new HubError('storage_failed', 'a secret cannot be decrypted', { belongsTo }, err)
    }
  }
}
