import type { RepoFile } from '../../domain/types.js'

const MEDIA: Readonly<Record<string, string>> = {
  png: 'image/png',
  jpg: 'image/jpeg',
  jpeg: 'image/jpeg',
  gif: 'image/gif',
  webp: 'image/webp',
  avif: 'image/avif',
  bmp: 'image/bmp',
  ico: 'image/x-icon',
  svg: 'image/svg+xml',
  mp4: 'video/mp4',
  webm: 'video/webm',
  mp3: 'audio/mpeg',
  wav: 'audio/wav',
  ogg: 'audio/ogg',
  flac: 'audio/flac',
  pdf: 'application/pdf',
  json: 'application/json',
}
const TEXT = new Set(
  `c cc cfg conf cpp css csv diff gitattributes gitignore go h htm html ini ipynb java jinja js jsonl jsx log lua md
  mjs patch py r rb rs rst sh sql tex toml ts tsv tsx txt vtt vue xml yaml yml`.split(/\s+/),
)

/**
 * Type under which a repository's file may be shown. Nothing that a browser would run: HTML is text, and the policy that
 * goes with every file keeps the scripts of an SVG or PDF from running in the hub's name.
 */
export function contentTypeOf(path: string, isLfs: boolean): string {
  const name = path.slice(path.lastIndexOf('/') + 1)
  const dot = name.lastIndexOf('.')
  const extension = dot < 0 ? '' : name.slice(dot + 1).toLowerCase()
  const media = Object.hasOwn(MEDIA, extension) ? MEDIA[extension] : undefined
  if (media) return media
  const isText = TEXT.has(extension) || (dot < 0 && !isLfs)
  return isText ? 'text/plain; charset=utf-8' : 'application/octet-stream'
}

export const FILE_POLICY = "default-src 'none'; style-src 'unsafe-inline'; sandbox"

/** RFC 6266, in the order that clients' pattern `filename="…";` expects (huggingface-wire C1.2). */
export function contentDisposition(path: string, type: 'inline' | 'attachment'): string {
  const name = path.slice(path.lastIndexOf('/') + 1)
  const plain = name.replace(/[^\x20-\x7e]|["\\%]/g, '_')
  const encoded = encodeURIComponent(Buffer.from(name).toString()).replace(
    /['()*]/g,
    (it) => `%${it.charCodeAt(0).toString(16).toUpperCase()}`,
  )
  return `${type}; filename*=UTF-8''${encoded}; filename="${plain}";`
}

/**
 * Names the content; 64 hex digits only for a SHA-256 of it, because clients compare such a tag with what they have on disk.
 * So the blob ids of a SHA-256 repository are shortened.
 */
export function etagOf(file: RepoFile): string {
  return file.lfsOid ?? file.blobOid.slice(0, 40)
}
