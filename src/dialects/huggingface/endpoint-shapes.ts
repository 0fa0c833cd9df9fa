import { z } from 'zod'
import type { EndpointStatus } from '../../domain/endpoints/endpoints.js'
import type { Endpoint, EndpointSecrets, EndpointSpec } from '../../domain/endpoints/ports.js'

/*
 * Shapes of huggingface-wire B7. Clients send null for what is not set; objects whose fields this hub does not look at
 * (image, route) are kept as they came, within the bound of the body.
 */
const word = z
  .string()
  .min(1)
  .max(200)
  .regex(/^[^\0-\x1f\x7f]*$/, 'must not have control characters')
/** A value of an environment. */
const value = z
  .string()
  .max(8_192)
  .refine((it) => !it.includes('\0'), 'must not have a NUL')
const replicas = z.int().min(0).max(1_000)
const environment = z
  .record(z.string().regex(/^[A-Za-z_]\w{0,127}$/), value)
  .refine((it) => Object.keys(it).length <= 100, 'at most 100 names')
const image = z
  .record(
    z.string(),
    z.looseObject({
      credentials: z.object({ username: value.nullish(), password: value.nullish() }).nullish(),
    }),
  )
  .refine((it) => Object.keys(it).length === 1, {
    message: 'must have one key, the kind of the image',
  })
const types = ['public', 'authenticated', 'protected', 'private'] as const

const Scaling = z.object({
  minReplica: replicas,
  maxReplica: replicas.min(1),
  scaleToZeroTimeout: z.int().min(1).max(100_000).nullish(),
  measure: z.looseObject({}).nullish(),
})
const Compute = z.object({
  accelerator: word,
  instanceSize: word,
  instanceType: word,
  scaling: Scaling,
})
const Model = z.object({
  framework: word,
  repository: word,
  revision: word.nullish(),
  task: word.nullish(),
  image,
  env: environment.nullish(),
  secrets: environment.nullish(),
  command: z.array(value).max(200).nullish(),
  args: z.array(value).max(200).nullish(),
})
const Shared = {
  route: z.looseObject({}).nullish(),
  privateService: z.looseObject({}).nullish(),
  cacheHttpResponses: z.boolean().nullish(),
  tags: z.array(z.string().max(100)).max(100).nullish(),
}

export const CreateBody = z.object({
  name: z.string(),
  type: z.enum(types),
  compute: Compute,
  model: Model,
  provider: z.object({ region: word, vendor: word }),
  ...Shared,
})

/** Only what changes. */
export const UpdateBody = z.object({
  type: z.enum(types).nullish(),
  compute: Compute.extend({ scaling: Scaling.partial() }).partial().nullish(),
  model: Model.partial().nullish(),
  ...Shared,
})

type Order = { spec: EndpointSpec; secrets: EndpointSecrets }

/** What may be shown again, and what is to be sealed. */
export function splitOrder(body: z.output<typeof CreateBody>): Order {
  const { secrets, ...model } = body.model
  const { scaling } = body.compute
  const { shown, password } = withoutPassword(model.image)
  return {
    spec: {
      type: body.type,
      compute: {
        ...body.compute,
        scaling: { ...scaling, scaleToZeroTimeout: scaling.scaleToZeroTimeout ?? null },
      },
      model: {
        ...model,
        image: shown,
        revision: model.revision ?? null,
        task: model.task ?? null,
        env: model.env ?? {},
        command: model.command ?? undefined,
        args: model.args ?? undefined,
      },
      provider: body.provider,
      route: body.route ?? undefined,
      privateService: body.privateService ?? undefined,
      cacheHttpResponses: body.cacheHttpResponses ?? undefined,
      tags: body.tags ?? [],
    },
    secrets: { secrets: secrets ?? {}, registryPassword: password },
  }
}

/** The endpoint with a change put over it; a new image brings its own password or none. */
export function changed(
  spec: EndpointSpec,
  secrets: EndpointSecrets,
  body: z.output<typeof UpdateBody>,
): Order {
  const { model, compute } = body
  const given = withoutNulls(model ?? {})
  const { secrets: newSecrets, image: newImage, ...rest } = given
  const fresh = newImage && withoutPassword(newImage)
  const { scaling, ...machine } = withoutNulls(compute ?? {})
  const { type, route, privateService, cacheHttpResponses, tags } = withoutNulls(body)
  return {
    spec: {
      ...spec,
      ...withoutNulls({ type, route, privateService, cacheHttpResponses, tags }),
      compute: {
        ...spec.compute,
        ...machine,
        scaling: { ...spec.compute.scaling, ...withoutNulls(scaling ?? {}) },
      },
      model: { ...spec.model, ...rest, ...(fresh ? { image: fresh.shown } : {}) },
    } as EndpointSpec,
    secrets: {
      secrets: newSecrets ?? secrets.secrets,
      registryPassword: fresh ? fresh.password : secrets.registryPassword,
    },
  }
}

/** Without what is null or undefined: clients mean "as it was" by both. */
function withoutNulls<T extends object>(value: T): { [K in keyof T]?: NonNullable<T[K]> } {
  return Object.fromEntries(
    Object.entries(value).filter(([, it]) => it !== null && it !== undefined),
  ) as { [K in keyof T]?: NonNullable<T[K]> }
}

function withoutPassword(given: z.output<typeof image>): {
  shown: Record<string, unknown>
  password: string | null
} {
  const [kind = '', settings = {}] = Object.entries(given)[0] ?? []
  const { credentials, ...rest } = settings as z.output<typeof image>[string]
  if (!credentials) return { shown: { [kind]: rest }, password: null }
  const { username, password } = credentials
  return {
    shown: { [kind]: { ...rest, credentials: { username: username ?? '' } } },
    password: password ?? null,
  }
}

/** Clients read name, model, status, type and healthRoute. */
export function toRaw(endpoint: Endpoint, status: EndpointStatus) {
  const { spec, createdBy } = endpoint
  return {
    name: endpoint.name,
    accountId: null,
    ...spec,
    healthRoute: healthRouteOf(spec),
    status: {
      state: status.state,
      message: status.message ?? '',
      ...(status.url ? { url: status.url } : {}),
      createdAt: endpoint.createdAt,
      updatedAt: endpoint.updatedAt,
      ...(createdBy ? { createdBy: { name: createdBy } } : {}),
      targetReplica: endpoint.wanted === 'running' ? spec.compute.scaling.maxReplica : 0,
      readyReplica: status.state === 'running' ? 1 : 0,
    },
  }
}

function healthRouteOf({ model }: EndpointSpec): string {
  const [settings] = Object.values(model.image) as Record<string, unknown>[]
  const route = settings?.healthRoute ?? settings?.health_route
  return typeof route === 'string' ? route : '/health'
}
