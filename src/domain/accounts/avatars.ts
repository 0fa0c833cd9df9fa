import { Readable } from 'node:stream'
import { sha256Hex } from '../../lib/ids.js'
import { HubError } from '../errors.js'
import type { ByteRange, ObjectStore } from '../ports.js'
import type { AccountStore } from './ports.js'

export const MAX_AVATAR_BYTES = 2 * 1024 * 1024

export interface Avatar {
  readonly sha256: string
  readonly size: number
  /** `image/png`, `image/jpeg` or `image/webp`, by the bytes themselves. */
  readonly type: string
}

/** Pictures of users and organisations: small raster images only, recognised by content, never by what the sender says. */
export class Avatars {
  readonly #accounts: AccountStore
  readonly #store: ObjectStore

  constructor(parts: { accounts: AccountStore; store: ObjectStore }) {
    this.#accounts = parts.accounts
    this.#store = parts.store
  }

  async find(namespaceId: number): Promise<Avatar | undefined> {
    return (await this.#accounts.readProfile(namespaceId)).avatar as Avatar | undefined
  }

  open(namespaceId: number, avatar: Avatar, range?: ByteRange): Promise<Readable> {
    return this.#store.open(keyOf(namespaceId, avatar.sha256), range)
  }

  /** Throws `too_large` or `unsupported_media`. */
  async set(namespaceId: number, bytes: Buffer): Promise<Avatar> {
    if (bytes.length > MAX_AVATAR_BYTES)
      throw new HubError('too_large', `An avatar has at most ${MAX_AVATAR_BYTES} bytes.`)
    const type = imageType(bytes)
    if (!type) throw new HubError('unsupported_media', 'An avatar is a PNG, JPEG or WebP image.')
    const avatar = { sha256: sha256Hex(bytes), size: bytes.length, type }
    const before = await this.find(namespaceId)
    await this.#store.put(
      keyOf(namespaceId, avatar.sha256),
      Readable.from([bytes]),
      { size: bytes.length, sha256: avatar.sha256 },
      new AbortController().signal,
    )
    await this.#accounts.updateProfile(namespaceId, { avatar })
    if (before && before.sha256 !== avatar.sha256)
      await this.#store.delete(keyOf(namespaceId, before.sha256))
    return avatar
  }

  async remove(namespaceId: number): Promise<void> {
    const before = await this.find(namespaceId)
    await this.#accounts.updateProfile(namespaceId, { avatar: null })
    if (before) await this.#store.delete(keyOf(namespaceId, before.sha256))
  }
}

function keyOf(namespaceId: number, sha256: string): string {
  return `avatars/${namespaceId}/${sha256}`
}

/** By magic numbers: PNG (RFC 2083 3.1), JPEG (SOI and a marker), WebP (RIFF container, RFC 9649). */
function imageType(bytes: Buffer): string | undefined {
  const starts = (hex: string, at = 0) =>
    bytes.subarray(at, at + hex.length / 2).toString('hex') === hex
  if (starts('89504e470d0a1a0a')) return 'image/png'
  if (starts('ffd8ff')) return 'image/jpeg'
  if (starts('52494646') && starts('57454250', 8)) return 'image/webp'
  return undefined
}
