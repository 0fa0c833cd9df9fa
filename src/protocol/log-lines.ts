/** Lines of a log with their ends; what has no end yet is left for later. */
export function lines(text: string): string[] {
  return text.match(/[^\n]*\n/g) ?? []
}

/**
 * Lines of `after` that `before` did not have: logs grow at the end and, kept to a size, lose their beginning. Another log
 * altogether is new as a whole.
 */
export function newLines(before: string, after: string): string[] {
  const old = lines(before)
  const now = lines(after)
  if (now.length >= old.length && old.every((it, n) => it === now[n])) return now.slice(old.length)
  const last = old.slice(-3).join('')
  const at = last === '' ? -1 : after.lastIndexOf(last)
  return at < 0 ? now : lines(after.slice(at + last.length))
}
