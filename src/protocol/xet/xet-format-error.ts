/**
 * Bytes or strings that are not what the Xet formats allow. The message is short, factual and safe to show to
 * the client that sent them; it never quotes the bytes.
 */
export class XetFormatError extends Error {
  override name = 'XetFormatError'
}
