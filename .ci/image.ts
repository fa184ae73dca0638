// `npm run image [-- FILE]`: a container image of the depot (OCI layout in one archive), made without a container engine.
import { mkdir, mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import process from 'node:process'

import { z } from 'zod'

import { BASE_FOLDERS } from './image-files.ts'
import { run, stageBase, stageDependencies, stageDepot, stageNode } from './image-parts.ts'
import { blobPath, configDocument, IMAGE_NAME, type ImageOptions, layoutFiles, manifestDocument } from './oci.ts'
import { type Exceptions, writeArchive, writeLayer } from './tar-files.ts'

const ROOT = path.dirname(import.meta.dirname)
const MANIFEST = z.object({ version: z.string(), description: z.string(), license: z.string() })

interface Part {
  readonly title: string
  readonly stage: (folder: string, scratch: string) => Promise<void>
  readonly exceptions?: Exceptions
}

/** From what changes least to what changes most, so that an upgrade fetches little. */
const PARTS: readonly Part[] = [
  { title: "Debian's libraries", stage: stageBase, exceptions: BASE_FOLDERS },
  { title: 'Node', stage: stageNode },
  { title: 'dependencies', stage: stageDependencies },
  { title: 'Depot', stage: stageDepot },
]

const file = path.resolve(process.argv[2] ?? 'depot-oci.tar')
const scratch = await mkdtemp(path.join(tmpdir(), 'depot-image-'))
try {
  const layout = path.join(scratch, 'layout')
  await mkdir(path.join(layout, 'blobs', 'sha256'), { recursive: true })
  const options = await imageOptions()
  const layers = []
  for (const [index, { title, stage, exceptions }] of PARTS.entries()) {
    const [folder, work] = [path.join(scratch, `${index}`), path.join(scratch, `${index}-work`)]
    await mkdir(folder)
    await mkdir(work)
    await stage(folder, work)
    const layer = await writeLayer(folder, layout, title, exceptions)
    console.log(`${layer.digest} ${mebibytes(layer.sizeBytes)} ${title}`)
    layers.push(layer)
  }
  const config = configDocument(options, layers)
  const manifest = manifestDocument(config, layers)
  for (const { bytes, descriptor } of [config, manifest]) {
    await writeFile(path.join(layout, blobPath(descriptor.digest)), bytes)
  }
  for (const [name, bytes] of layoutFiles(options, manifest, config, layers)) {
    await writeFile(path.join(layout, name), bytes)
  }
  await writeArchive(layout, file)
  console.log(`${file}: depot:${options.version}, ${mebibytes((await stat(file)).size)}`)
} finally {
  await rm(scratch, { recursive: true, force: true })
}

async function imageOptions(): Promise<ImageOptions> {
  const manifest = MANIFEST.parse(JSON.parse(await readFile(path.join(ROOT, 'package.json'), 'utf8')))
  // Outside a git checkout nobody knows the commit.
  const ofCommit = (format: string): Promise<string> =>
    run('git', ['log', '-1', `--format=${format}`], ROOT).then(
      (text) => text.trim(),
      () => '',
    )
  const seconds = Number(process.env['SOURCE_DATE_EPOCH'] ?? (await ofCommit('%ct')))
  return {
    name: IMAGE_NAME,
    ...manifest,
    architecture: (await run('dpkg', ['--print-architecture'], ROOT)).trim(),
    created: new Date(seconds * 1000).toISOString(),
    revision: (await ofCommit('%H')) || undefined,
  }
}

function mebibytes(bytes: number): string {
  return `${(bytes / 1024 / 1024).toFixed(1)} MiB`
}
