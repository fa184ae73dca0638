import { createHash } from 'node:crypto'
import { crc32, deflateRawSync, gzipSync } from 'node:zlib'

/** A file of an archive, or something evil in its place. */
export interface ArchiveFile {
  readonly name: string
  readonly content?: string | Uint8Array
  /** Tar: the entry's type flag (`2` is a symlink). */
  readonly type?: string
  readonly linkname?: string
}

export interface DistributionOptions {
  readonly name: string
  readonly version: string
  /** Name and version as the metadata inside states them, when they are to differ from the file name's. */
  readonly stated?: { readonly name?: string; readonly version?: string }
  readonly requires?: readonly string[]
  readonly requiresPython?: string
  /** `2.1` unless a test is about it. */
  readonly metadataVersion?: string
  /** Further headers of the metadata. */
  readonly headers?: readonly string[]
  /** Wheels: compatibility tag, with a build tag in front where one is wanted. */
  readonly tag?: string
  /** Value of `VALUE` in the module. */
  readonly value?: string
  readonly extra?: readonly ArchiveFile[]
}

export interface BuiltFile {
  readonly filename: string
  readonly bytes: Buffer
  readonly sha256: string
  readonly metadata: string
}

/** A wheel that pip and uv install: one module of the project's name, RECORD and all. */
export function buildWheel(options: DistributionOptions): BuiltFile {
  const { name, version, tag = 'py3-none-any', value = version, extra = [] } = options
  const module = moduleName(name)
  const info = `${module}-${version}.dist-info`
  const metadata = coreMetadata(options)
  const files: ArchiveFile[] = [
    { name: `${module}.py`, content: `VALUE = ${JSON.stringify(value)}\n` },
    { name: `${info}/METADATA`, content: metadata },
    { name: `${info}/WHEEL`, content: wheelFile(tag) },
    ...extra,
  ]
  const record = files.map(
    ({ name: path, content = '' }) => `${path},sha256=${base64Url(content)},${Buffer.byteLength(content)}`,
  )
  const bytes = zip([...files, { name: `${info}/RECORD`, content: [...record, `${info}/RECORD,,`, ''].join('\n') }])
  return built(`${module}-${version}-${tag}.whl`, bytes, metadata)
}

/** An sdist that builds without the network: its build backend lies in the archive itself. */
export function buildSdist(
  options: DistributionOptions & {
    readonly archive?: 'tar.gz' | 'zip'
    /** Of its pyproject.toml; each is imported before anything is built. */
    readonly buildRequires?: readonly string[]
  },
): BuiltFile {
  const { name, version, value = version, archive = 'tar.gz', buildRequires = [], extra = [] } = options
  const module = moduleName(name)
  const folder = `${module}-${version}`
  const metadata = coreMetadata(options)
  const imports = buildRequires.map((needed) => `import ${moduleName(needed)}\n`).join('')
  const files: ArchiveFile[] = [
    { name: `${folder}/PKG-INFO`, content: metadata },
    {
      name: `${folder}/pyproject.toml`,
      content: `[build-system]\nrequires = ${JSON.stringify(buildRequires)}\nbuild-backend = "backend"\nbackend-path = ["."]\n`,
    },
    { name: `${folder}/backend.py`, content: `${imports}${buildBackend(module, version)}` },
    { name: `${folder}/${module}.py`, content: `VALUE = ${JSON.stringify(value)}\n` },
    ...extra,
  ]
  return built(`${folder}.${archive}`, archive === 'zip' ? zip(files) : tarGz(files), metadata)
}

export function coreMetadata(options: DistributionOptions): string {
  const { name, version, stated, requires = [], requiresPython, metadataVersion = '2.1', headers = [] } = options
  return [
    `Metadata-Version: ${metadataVersion}`,
    ...headers,
    `Name: ${stated?.name ?? name}`,
    `Version: ${stated?.version ?? version}`,
    'Summary: made by a test',
    ...(requiresPython === undefined ? [] : [`Requires-Python: ${requiresPython}`]),
    ...requires.map((requirement) => `Requires-Dist: ${requirement}`),
    '',
    'A description.',
    '',
  ].join('\n')
}

/** Wheels and their modules are named with underscores. */
export function moduleName(name: string): string {
  return name.replace(/[-_.]+/g, '_').toLowerCase()
}

/** A zip archive (APPNOTE 4.3), every entry deflated. */
export function zip(files: readonly ArchiveFile[]): Buffer {
  const locals: Buffer[] = []
  const directory: Buffer[] = []
  let offset = 0
  for (const { name, content = '' } of files) {
    const plain = Buffer.from(content as string)
    const packed = deflateRawSync(plain)
    const path = Buffer.from(name)
    const common = Buffer.alloc(26)
    common.writeUInt16LE(20, 0)
    common.writeUInt16LE(8, 4)
    common.writeUInt16LE(0x21, 8)
    common.writeUInt32LE(crc32(plain), 10)
    common.writeUInt32LE(packed.byteLength, 14)
    common.writeUInt32LE(plain.byteLength, 18)
    common.writeUInt16LE(path.byteLength, 22)
    const local = Buffer.concat([Buffer.from('PK\x03\x04', 'latin1'), common, path, packed])
    const tail = Buffer.alloc(14)
    tail.writeUInt32LE(offset, 10)
    directory.push(Buffer.concat([Buffer.from('PK\x01\x02\x14\x00', 'latin1'), common, tail, path]))
    locals.push(local)
    offset += local.byteLength
  }
  const listing = Buffer.concat(directory)
  const end = Buffer.alloc(22)
  end.write('PK\x05\x06', 'latin1')
  end.writeUInt16LE(files.length, 8)
  end.writeUInt16LE(files.length, 10)
  end.writeUInt32LE(listing.byteLength, 12)
  end.writeUInt32LE(offset, 16)
  return Buffer.concat([...locals, listing, end])
}

export function tarGz(files: readonly ArchiveFile[]): Buffer {
  return gzipSync(tar(files))
}

/** A tar archive in ustar format, with any type flag. */
export function tar(files: readonly ArchiveFile[]): Buffer {
  const blocks = files.flatMap(({ name, content = '', type = '0', linkname = '' }) => {
    const body = Buffer.from(content as string)
    const padding = Buffer.alloc((512 - (body.byteLength % 512)) % 512)
    return [tarHeader(name, { sizeBytes: body.byteLength, type, linkname }), body, padding]
  })
  return Buffer.concat([...blocks, Buffer.alloc(1024)])
}

function tarHeader(
  name: string,
  { sizeBytes, type, linkname }: { sizeBytes: number; type: string; linkname: string },
): Buffer {
  const header = Buffer.alloc(512)
  header.write(name, 0, 100)
  header.write('0000644\0', 100)
  header.write('0000000\0', 108)
  header.write('0000000\0', 116)
  header.write(`${sizeBytes.toString(8).padStart(11, '0')}\0`, 124)
  header.write('00000000000\0', 136)
  header.write('        ', 148)
  header.write(type, 156)
  header.write(linkname, 157, 100)
  header.write('ustar\x0000', 257, 'latin1')
  const sum = header.reduce((total, byte) => total + byte, 0)
  header.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148)
  return header
}

function built(filename: string, bytes: Buffer, metadata: string): BuiltFile {
  return { filename, bytes, metadata, sha256: createHash('sha256').update(bytes).digest('hex') }
}

function wheelFile(tag: string): string {
  const [build, ...rest] = tag.split('-').length === 4 ? tag.split('-') : ['', ...tag.split('-')]
  const [pythons = '', abis = '', platforms = ''] = rest
  const tags = pythons
    .split('.')
    .flatMap((python) =>
      abis.split('.').flatMap((abi) => platforms.split('.').map((platform) => `Tag: ${python}-${abi}-${platform}`)),
    )
  const head = [
    'Wheel-Version: 1.0',
    'Generator: test',
    'Root-Is-Purelib: true',
    ...(build === '' ? [] : [`Build: ${build}`]),
  ]
  return [...head, ...tags, ''].join('\n')
}

function base64Url(content: string | Uint8Array): string {
  return createHash('sha256').update(content).digest('base64url')
}

function buildBackend(module: string, version: string): string {
  return `import base64, hashlib, os, zipfile

def build_wheel(directory, config_settings=None, metadata_directory=None):
    info = ${JSON.stringify(`${module}-${version}.dist-info`)}
    name = ${JSON.stringify(`${module}-${version}-py3-none-any.whl`)}
    files = {
        ${JSON.stringify(`${module}.py`)}: open(${JSON.stringify(`${module}.py`)}, "rb").read(),
        info + "/METADATA": open("PKG-INFO", "rb").read(),
        info + "/WHEEL": b"Wheel-Version: 1.0\\nGenerator: test\\nRoot-Is-Purelib: true\\nTag: py3-none-any\\n",
    }
    record = ""
    with zipfile.ZipFile(os.path.join(directory, name), "w") as wheel:
        for path, content in files.items():
            digest = base64.urlsafe_b64encode(hashlib.sha256(content).digest()).rstrip(b"=").decode()
            record += f"{path},sha256={digest},{len(content)}\\n"
            wheel.writestr(path, content)
        wheel.writestr(info + "/RECORD", record + info + "/RECORD,,\\n")
    return name
`
}
