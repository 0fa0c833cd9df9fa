/*
 * Ends of texts in one pass. A pattern such as `/\/+$/` begins anew at every character of a run inside the text, which takes
 * minutes when somebody sends a long one.
 */
export function trimEnd(text: string, char: string): string {
  let end = text.length
  while (end > 0 && text[end - 1] === char) end -= 1
  return text.slice(0, end)
}

export function trimSlashes(text: string): string {
  let start = 0
  while (text[start] === '/') start += 1
  return trimEnd(text.slice(start), '/')
}
