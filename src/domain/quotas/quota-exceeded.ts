import { HubError } from '../errors.js'

/** `used` and `limit` of `what` in bytes, `extra` = what was asked for on top. */
export function quotaExceeded(
  what: string,
  { used, extra, limit }: { used: number; extra: number; limit: number },
): HubError {
  const asked = extra > 0 ? ` and ${formatBytes(extra)} more were asked for` : ''
  return new HubError(
    'quota_exceeded',
    `Quota exceeded: the ${what} uses ${formatBytes(used)} of ${formatBytes(limit)}${asked}. Delete or squash what is not needed, or ask an administrator for more.`,
    { used, extra, limit },
  )
}

/** Decimal units, as quotas are given. */
function formatBytes(bytes: number): string {
  return bytes < 1e6 ? `${bytes} bytes` : `${(bytes / 1e9).toFixed(3)} GB`
}
