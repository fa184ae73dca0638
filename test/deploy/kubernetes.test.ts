import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'

import { describe, expect, it } from 'vitest'
import { parseAllDocuments } from 'yaml'
import { z } from 'zod'

import { IMAGE_NAME, IMAGE_USER } from '../../.ci/oci.ts'
import { parseAuthFile } from '../../auth/auth-file.ts'
import { parseArguments } from '../../cmd/cli.ts'
import type { ServeConfig } from '../../cmd/settings/config.ts'
import { serveConfig } from '../../cmd/settings/parse-config.ts'
import { SERVE_SETTINGS } from '../../cmd/settings/serve.ts'
import { serveCommand } from '../../cmd/serve.ts'
import { mergeSettings, unknownVariables } from '../../cmd/settings/settings.ts'
import { ECOSYSTEMS } from '../../protocols/ecosystems.ts'
import { LIMITS } from '../../src/limits.ts'

const { version } = createRequire(import.meta.url)('../../package.json') as { version: string }

const probeSchema = z.object({
  httpGet: z.object({ path: z.string(), port: z.string() }),
  timeoutSeconds: z.number().optional(),
})
const containerSchema = z.object({
  name: z.string(),
  image: z.string(),
  args: z.array(z.string()),
  envFrom: z.array(z.object({ secretRef: z.object({ name: z.string() }) })),
  ports: z.array(z.object({ name: z.string(), containerPort: z.number() })).default([]),
  securityContext: z.object({
    allowPrivilegeEscalation: z.literal(false),
    readOnlyRootFilesystem: z.literal(true),
    capabilities: z.object({ drop: z.tuple([z.literal('ALL')]) }),
  }),
  livenessProbe: probeSchema.optional(),
  readinessProbe: probeSchema.optional(),
  resources: z.object({
    requests: z.object({ cpu: z.string(), memory: z.string() }),
    limits: z.object({ memory: z.string() }),
  }),
  volumeMounts: z.array(z.object({ name: z.string(), mountPath: z.string(), readOnly: z.boolean().default(false) })),
})
const volumeSchema = z.looseObject({
  name: z.string(),
  configMap: z.object({ name: z.string() }).optional(),
  secret: z.object({ secretName: z.string(), defaultMode: z.number() }).optional(),
})
const deploymentSchema = z.object({
  kind: z.literal('Deployment'),
  metadata: z.object({ name: z.string() }),
  spec: z.object({
    replicas: z.number(),
    selector: z.object({ matchLabels: z.record(z.string(), z.string()) }),
    template: z.object({
      metadata: z.object({ labels: z.record(z.string(), z.string()) }),
      spec: z.object({
        terminationGracePeriodSeconds: z.number(),
        securityContext: z.looseObject({ runAsNonRoot: z.literal(true), runAsUser: z.number(), fsGroup: z.number() }),
        initContainers: z.array(containerSchema).default([]),
        containers: z.tuple([containerSchema]),
        volumes: z.array(volumeSchema),
      }),
    }),
  }),
})
type Container = z.infer<typeof containerSchema>

const documents = parseAllDocuments(readFileSync('deploy/kubernetes.yaml', 'utf8')).map((document) => {
  const [wrong] = document.errors
  if (wrong !== undefined) throw wrong
  return z.looseObject({ kind: z.string() }).parse(document.toJS())
})

function only<T>(kind: string, schema: z.ZodType<T>): T {
  const found = documents.filter((document) => document.kind === kind)
  expect(found).toHaveLength(1)
  return schema.parse(found[0])
}

const deployments = documents
  .filter(({ kind }) => kind === 'Deployment')
  .map((document) => deploymentSchema.parse(document))
const config = only('ConfigMap', z.object({ data: z.record(z.string(), z.string()) }))
const secret = only(
  'Secret',
  z.object({ metadata: z.object({ name: z.string() }), stringData: z.record(z.string(), z.string()) }),
)

/** What a container is started with, as the command itself reads it. */
function configOf({ args: [command, ...args] }: Container): ServeConfig {
  expect(command).toBe('serve')
  const { flags } = parseArguments(serveCommand({}), args)
  const env = { ...secret.stringData, DEPOT_STORE_PATH: '/data', DEPOT_LISTEN_ADDR: ':8080' }
  expect(unknownVariables(SERVE_SETTINGS, env)).toEqual([])
  const file = { path: 'depot.toml', text: config.data['depot.toml'] ?? '' }
  return serveConfig(mergeSettings(SERVE_SETTINGS, { flags, env, file }), env, '/data')
}

const containers = deployments.flatMap(({ spec: { template } }) => [
  ...template.spec.initContainers,
  ...template.spec.containers,
])

describe('the Kubernetes example', () => {
  it('has two servers that only answer, one that does all, and a step before that changes the tables', () => {
    const modes = deployments.map(({ spec }) => ({
      replicas: spec.replicas,
      before: spec.template.spec.initContainers.map((container) => configOf(container).mode),
      mode: configOf(spec.template.spec.containers[0]).mode,
    }))
    expect(modes).toEqual([
      { replicas: 2, before: ['db-migrations'], mode: 'api-server' },
      { replicas: 1, before: [], mode: 'monolithic' },
    ])
  })

  it('runs our image, as its user, who owns nothing but the data', () => {
    expect(new Set(containers.map(({ image }) => image))).toEqual(new Set([`${IMAGE_NAME}:${version}`]))
    for (const { spec } of deployments) {
      const { securityContext, volumes } = spec.template.spec
      expect(securityContext).toMatchObject({ runAsUser: IMAGE_USER.id, fsGroup: IMAGE_USER.id })
      expect(volumes.find(({ secret: keys }) => keys !== undefined)?.secret?.defaultMode).toBe(0o440)
    }
    for (const { volumeMounts } of containers)
      expect(volumeMounts.filter(({ readOnly }) => !readOnly).map(({ mountPath }) => mountPath)).toEqual(['/data'])
  })

  it('mounts what its configuration names, under names that are there', () => {
    for (const { spec } of deployments) {
      const { volumes, initContainers, containers: serving } = spec.template.spec
      for (const container of [...initContainers, ...serving]) {
        expect(container.volumeMounts.map(({ name }) => name)).toEqual(volumes.map(({ name }) => name))
        const { authFile, privateKeyFiles = [], npmPrivateKeyFiles = [] } = configOf(container)
        const folders = container.volumeMounts.map(({ mountPath }) => `${mountPath}/`)
        for (const file of [authFile, ...privateKeyFiles, ...npmPrivateKeyFiles])
          expect(
            folders.some((folder) => file?.startsWith(folder) ?? false),
            file,
          ).toBe(true)
        expect(container.envFrom).toEqual([{ secretRef: { name: secret.metadata.name } }])
      }
    }
    // Where the depot looks for its configuration, and the auth file that this one names.
    expect(Object.keys(config.data)).toEqual(['depot.toml', 'auth.keys'])
    parseAuthFile(config.data['auth.keys'] ?? '', { ecosystems: ECOSYSTEMS, now: Date.now() })
  })

  it('has no secret where everybody may read it, and no key that lets anybody in', () => {
    expect(config.data['depot.toml']).not.toMatch(/secret|password|postgres:/)
    expect(parseAuthFile(config.data['auth.keys'] ?? '', { ecosystems: ECOSYSTEMS, now: 0 }).keys.size).toBe(0)
    for (const value of Object.values(secret.stringData)) expect(value).toContain('CHANGE-ME')
  })

  it('gives a server the time that it takes to go, and asks it where it answers, for longer than that may take', () => {
    for (const { spec } of deployments) {
      const { terminationGracePeriodSeconds, containers: serving } = spec.template.spec
      const [container] = serving
      const { drainDelayMs, graceMs, port } = configOf(container)
      expect(terminationGracePeriodSeconds * 1000).toBeGreaterThanOrEqual(drainDelayMs + graceMs + LIMITS.workerEndMs)
      expect(container.ports).toEqual([{ name: 'http', containerPort: port }])
      expect(container.livenessProbe?.httpGet).toEqual({ path: '/healthz', port: 'http' })
      expect(container.readinessProbe?.httpGet).toEqual({ path: '/readyz', port: 'http' })
      expect((container.readinessProbe?.timeoutSeconds ?? 0) * 1000).toBeGreaterThan(LIMITS.readinessWaitMs)
      // Load balancers must hear of it before the server is gone: two probes, and what it takes to tell all of them.
      expect(drainDelayMs).toBeGreaterThanOrEqual(10_000)
    }
  })

  it('selects its own pods, all of them for the service', () => {
    const service = only(
      'Service',
      z.object({
        spec: z.object({
          selector: z.record(z.string(), z.string()),
          ports: z.array(z.object({ targetPort: z.literal('http') })),
        }),
      }),
    )
    const budget = only(
      'PodDisruptionBudget',
      z.object({
        spec: z.object({
          minAvailable: z.number(),
          selector: z.object({ matchLabels: z.record(z.string(), z.string()) }),
        }),
      }),
    )
    for (const { spec } of deployments) {
      expect(spec.template.metadata.labels).toMatchObject(spec.selector.matchLabels)
      expect(spec.template.metadata.labels).toMatchObject(service.spec.selector)
    }
    expect(deployments[0]?.spec.template.metadata.labels).toMatchObject(budget.spec.selector.matchLabels)
    expect(budget.spec.minAvailable).toBeLessThan(deployments[0]?.spec.replicas ?? 0)
  })

  it('lets large uploads pass its ingress as nginx.conf does', () => {
    const { metadata, spec } = only(
      'Ingress',
      z.object({
        metadata: z.object({ annotations: z.record(z.string(), z.string()) }),
        spec: z.looseObject({ tls: z.array(z.object({ hosts: z.array(z.string()) })) }),
      }),
    )
    const nginx = readFileSync('deploy/nginx.conf', 'utf8')
    const names: Readonly<Record<string, string>> = { 'proxy-body-size': 'client_max_body_size' }
    const annotations = Object.entries(metadata.annotations).map(
      ([name, value]) => [name.split('/')[1] ?? '', value] as const,
    )
    for (const [name, value] of annotations) {
      const directive = new RegExp(`\\b${names[name] ?? name.replaceAll('-', '_')} (?<value>[^;]+);`).exec(nginx)
      expect(directive?.groups?.['value']?.replace(/s$/, ''), name).toBe(value)
    }
    expect(annotations.map(([name]) => name)).toEqual(
      expect.arrayContaining(['proxy-body-size', 'proxy-request-buffering', 'proxy-next-upstream']),
    )
    const [container] = containers
    expect(container && new URL(configOf(container).publicUrl ?? '').hostname).toBe(spec.tls[0]?.hosts[0])
  })
})
