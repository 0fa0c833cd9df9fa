import {
  type PrivateKey,
  type PublicKey,
  readKey,
  SecretKeyPacket,
  SecretSubkeyPacket,
} from 'openpgp'
import { type Actor, makeEvent } from '../events/events.js'
import type { EventStore } from '../events/ports.js'
import type { KeyPairStore } from './ports.js'
import { Problems } from './problems.js'
import type { SecretBox } from './secret-box.js'
import type { OpenedShelf } from './shelves.js'

const MAX_KEY_CHARACTERS = 10_000

/** The OpenPGP pair that a shelf's packages are signed with. The secret leaves only for the machines that sign. */
export class SigningKeys {
  readonly #keyPairs: KeyPairStore
  readonly #box: SecretBox
  readonly #events: EventStore

  constructor(parts: { keyPairs: KeyPairStore; box: SecretBox; events: EventStore }) {
    this.#keyPairs = parts.keyPairs
    this.#box = parts.box
    this.#events = parts.events
  }

  /** Replaces the pair in one step, or throws `unprocessable` with every reason and leaves the old one. */
  async replace(
    actor: Actor,
    { shelf, platform }: OpenedShelf,
    pair: { public: string | null; secret: string | null },
  ): Promise<void> {
    const problems = new Problems()
    problems.text('Public', pair.public, { max: MAX_KEY_CHARACTERS })
    problems.text('Secret', pair.secret, { max: MAX_KEY_CHARACTERS })
    problems.throwIfAny()
    const publicText = unixLines(pair.public ?? '')
    const secretText = unixLines(pair.secret ?? '')
    const fingerprint = await checkPair(publicText, secretText)
    await this.#keyPairs.replace(shelf.id, {
      publicKey: publicText,
      sealedSecret: this.#box.seal(secretText, belongsTo(shelf.id)),
      fingerprint,
    })
    const about = {
      action: 'signatures',
      repository: `${platform.name}/${shelf.name}`,
      fingerprint,
    }
    await this.#events.add(makeEvent('package.repository', actor, undefined, about))
  }

  /** Undefined when the shelf is not signed. */
  async readPair(shelfId: number): Promise<{ public: string; secret: string } | undefined> {
    const pair = await this.#keyPairs.find(shelfId)
    return (
      pair && {
        public: pair.publicKey,
        secret: this.#box.open(pair.sealedSecret, belongsTo(shelfId)),
      }
    )
  }

  async readPublic(shelfId: number): Promise<string | undefined> {
    return (await this.#keyPairs.find(shelfId))?.publicKey
  }
}

const belongsTo = (shelfId: number) => `shelf ${shelfId}`

/** LF line ends, one at the end. */
function unixLines(text: string): string {
  return `${text.replace(/\r\n?/g, '\n').trim()}\n`
}

/** Fingerprint of a pair that belongs together and can be used without a passphrase. Throws `unprocessable`. */
async function checkPair(publicText: string, secretText: string): Promise<string> {
  const problems = new Problems()
  const publicKey = await parse(publicText)
  const secretKey = await parse(secretText)
  if (!publicKey || publicKey.isPrivate()) problems.add('Public key is wrong')
  if (!secretKey || !isPrivate(secretKey)) problems.add('Secret key is wrong')
  problems.throwIfAny()
  if (!publicKey || !secretKey || !isPrivate(secretKey)) throw new Error('unreachable')
  if (publicKey.getFingerprint() !== secretKey.getFingerprint()) problems.add('Key ids differ')
  else if (secretKey.getKeys().some((it) => 'isDecrypted' in it && !it.isDecrypted()))
    problems.add('Secret key must not be protected by a passphrase')
  else if (!(await fits(secretKey))) problems.add('Secret key is wrong')
  problems.throwIfAny()
  return publicKey.getFingerprint()
}

async function parse(armored: string): Promise<PublicKey | PrivateKey | undefined> {
  try {
    return await readKey({ armoredKey: armored })
  } catch {
    return undefined
  }
}

function isPrivate(key: PublicKey | PrivateKey): key is PrivateKey {
  return key.isPrivate()
}

/** Whether the secret numbers are those of the public ones that stand beside them. */
async function fits(key: PrivateKey): Promise<boolean> {
  try {
    for (const { keyPacket } of key.getKeys())
      if (keyPacket instanceof SecretKeyPacket || keyPacket instanceof SecretSubkeyPacket)
        await (keyPacket as unknown as Validated).validate()
    return true
  } catch {
    return false
  }
}

/** Left out of openpgp's type declarations. */
interface Validated {
  validate(): Promise<void>
}
