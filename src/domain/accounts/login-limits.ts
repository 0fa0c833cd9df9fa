import { isIPv6 } from 'node:net'
import { HubError } from '../errors.js'
import type { AccountStore } from './ports.js'

const WINDOW_SECONDS = 15 * 60
/** Wrong passwords per window: from one address for one account, from one address, for one account from anywhere. */
const MAX_PER_ACCOUNT_AND_ADDRESS = 10
const MAX_PER_ADDRESS = 50
const MAX_PER_ACCOUNT = 100
/** Unknown tokens per address and window. Right ones are never counted or refused. */
const MAX_TOKENS_PER_ADDRESS = 100

/**
 * Slows down guessing. An attempt is counted before it is checked, so that parallel ones cannot slip past the limit
 * together; a right password takes the account's counts back, never the address's other ones: one account of one's own
 * must not pay for guesses at others.
 */
export class LoginLimits {
  readonly #accounts: AccountStore

  constructor(accounts: AccountStore) {
    this.#accounts = accounts
  }

  /** `account` is the user's id where there is one, so that name, other spellings and e-mail address share one count. */
  async takePasswordAttempt(account: string, address: string): Promise<() => Promise<void>> {
    const place = addressKey(address)
    const pair = `login:${account}@${place}`
    const keys: readonly [string, number][] = [
      [pair, MAX_PER_ACCOUNT_AND_ADDRESS],
      [`address:${place}`, MAX_PER_ADDRESS],
      [`account:${account}`, MAX_PER_ACCOUNT],
    ]
    for (const [key, max] of keys) await this.#take(key, max)
    return async () => {
      await this.#accounts.clearLoginAttempts(pair)
      await this.#accounts.clearLoginAttempts(`account:${account}`)
      await this.#accounts.returnLoginAttempt(`address:${place}`)
    }
  }

  /** After a token turned out to be none. Throws `rate_limited` once there were too many. */
  countBadToken(address: string): Promise<void> {
    return this.#take(`token:${addressKey(address)}`, MAX_TOKENS_PER_ADDRESS)
  }

  async #take(key: string, max: number): Promise<void> {
    const { count, retryAfterSeconds } = await this.#accounts.takeLoginAttempt(key, WINDOW_SECONDS)
    if (count > max)
      throw new HubError('rate_limited', 'Too many failed logins. Try again later.', {
        retryAfterSeconds,
      })
  }
}

/** One customer's IPv6 network counts as one address. */
function addressKey(address: string): string {
  const plain = address.replace(/^::ffff:(?=\d+\.)/i, '').replace(/%.*$/, '')
  if (!isIPv6(plain)) return plain
  const [head = '', tail = ''] = plain.toLowerCase().split('::')
  const front = head === '' ? [] : head.split(':')
  const back = tail === '' ? [] : tail.split(':')
  const gap = plain.includes('::') ? Array<string>(8 - front.length - back.length).fill('0') : []
  return `${[...front, ...gap, ...back].slice(0, 4).join(':')}::/64`
}
