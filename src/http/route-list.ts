import type { Express } from 'express'

export interface ListedRoute {
  readonly method: string
  /** Express's pattern, or what stands before a table's own pattern and that pattern's source. */
  readonly path: string
}

interface Layer {
  readonly route?: { readonly path: string | string[]; readonly methods: Record<string, boolean> }
  readonly handle: object & { readonly stack?: readonly Layer[] }
}

const TABLES = new WeakMap<object, readonly ListedRoute[]>()
const WRAPPED = new WeakMap<object, object>()
const PREFIX = new WeakMap<object, string>()

/** A handler that looks its routes up in a table of its own says which they are, for `listRoutes`. */
export function listed<H extends object>(handler: H, routes: readonly ListedRoute[]): H {
  TABLES.set(handler, routes)
  return handler
}

/** A handler that hands everything on to another one. */
export function wrapping<H extends object>(handler: H, inner: object): H {
  WRAPPED.set(handler, inner)
  return handler
}

/** A router below a path, which Express does not tell. */
export function mounted<H extends object>(prefix: string, router: H): H {
  PREFIX.set(router, prefix)
  return router
}

/** `prefix` and each row's own pattern. */
export function tableOf(
  prefix: string,
  rows: readonly { readonly method: string; readonly path: RegExp }[],
): ListedRoute[] {
  return rows.map(({ method, path }) => ({ method, path: `${prefix}${path.source}` }))
}

/** Every method and path that the hub answers: the permission matrix and the documentation are held against it. */
export function listRoutes(app: Express): ListedRoute[] {
  const found = new Map<string, ListedRoute>()
  const visit = (handler: Layer['handle'], above: string) => {
    const prefix = above + (PREFIX.get(handler) ?? '')
    for (const it of TABLES.get(handler) ?? []) found.set(`${it.method} ${it.path}`, it)
    const inner = WRAPPED.get(handler)
    if (inner) visit(inner, prefix)
    for (const { route, handle } of handler.stack ?? []) {
      if (!route) visit(handle, prefix)
      else
        for (const own of [route.path].flat())
          for (const name of Object.keys(route.methods)) {
            const method = name.replace('_', '').toUpperCase()
            const path = prefix + own
            found.set(`${method} ${path}`, { method, path })
          }
    }
  }
  visit(app.router as unknown as Layer['handle'], '')
  return [...found.values()]
}
