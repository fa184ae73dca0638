import { describe, expect, it } from 'vitest'

import { UsageError } from '../../../cmd/cli.ts'
import { serveConfig } from '../../../cmd/settings/parse-config.ts'
import { SERVE_SETTINGS } from '../../../cmd/settings/serve.ts'
import { mergeSettings } from '../../../cmd/settings/settings.ts'

function configOf(text: string, flags: Record<string, string[]> = {}) {
  const values = mergeSettings(SERVE_SETTINGS, { flags, env: {}, file: { path: '/etc/depot/depot.toml', text } })
  return serveConfig(values, {}, '/home/somebody').stores
}

function refusalOf(text: string, flags: Record<string, string[]> = {}): string {
  try {
    configOf(text, flags)
  } catch (error) {
    if (error instanceof UsageError) return error.message
    throw error
  }
  throw new Error('it was taken')
}

const FAST = '[[stores]]\nname = "fast"\ntype = "fs"\npath = "/fast"\n'
const COLD = '[[stores]]\nname = "cold"\ntype = "fs"\npath = "/cold"\n'
const BUCKET = '[[stores]]\nname = "far"\ntype = "s3"\nbucket = "some-bucket"\n'

describe('stores in depot.toml', () => {
  it('are as the file declares them, in its order', () => {
    const text = `placement = "split"\n${FAST}split = 70\n${COLD}split = 30\n[[stores]]\nname = "old"\ntype = "fs"\npath = "/old/"\nread-only = true\n`
    expect(configOf(text)).toEqual({
      placement: 'split',
      stores: [
        { name: 'fast', place: { type: 'fs', path: '/fast' }, splitPercent: 70, readOnly: false },
        { name: 'cold', place: { type: 'fs', path: '/cold' }, splitPercent: 30, readOnly: false },
        { name: 'old', place: { type: 'fs', path: '/old' }, splitPercent: 0, readOnly: true },
      ],
    })
  })

  it('are filled in their order unless something else is said, by whichever source', () => {
    expect(configOf(FAST + COLD)?.placement).toBe('in-order')
    expect(configOf(`placement = "least-used"\n${FAST}`)?.placement).toBe('least-used')
    expect(configOf(FAST + COLD, { placement: ['round-robin'] })?.placement).toBe('round-robin')
    expect(configOf('')).toBeUndefined()
  })

  it('have the keys of their buckets in their tables, which is said to whoever gives them elsewhere', () => {
    const ofDepot = refusalOf(BUCKET, { 's3-access-key-id': ['AKIA'], 's3-secret-access-key': ['secret-1'] })
    expect(ofDepot).toMatch(/^--s3-access-key-id \(DEPOT_S3_ACCESS_KEY_ID\) is for a depot with one store/)
    expect(ofDepot).toMatch(/belong into the table of the store, in a file with mode 0600; .*AWS_ACCESS_KEY_ID/)
    expect(ofDepot).not.toContain('secret-1')
    const keys = 'access-key-id = "AKIA"\nsecret-access-key = "secret-1"\n'
    expect(configOf(BUCKET + keys)?.stores[0].place).toMatchObject({
      s3: { credentials: { accessKeyId: 'AKIA', secretAccessKey: 'secret-1' } },
    })
    expect(refusalOf(BUCKET, { 's3-region': ['eu-central-1'] })).toContain('region = … belongs into the table')
  })

  it('may be buckets, with the settings of one under their own names', () => {
    const text = `${BUCKET}region = "eu-central-1"\nprefix = "binary-caches"\nforce-path-style = true\n`
    expect(configOf(FAST + text)?.stores[1]?.place).toMatchObject({
      type: 's3',
      s3: { bucket: 'some-bucket', region: 'eu-central-1', prefix: 'binary-caches/', forcePathStyle: true },
    })
  })

  it.each([
    [
      'percentages that do not come to 100',
      `placement = "split"\n${FAST}split = 40\n${COLD}split = 70\n`,
      'split must come to 100 per cent in all, not 110 (fast 40, cold 70)',
    ],
    [
      'a part that is none',
      `placement = "split"\n${FAST}split = 0\n${COLD}split = 100\n`,
      "number 1 ('fast'): split takes a whole number of per cent",
    ],
    ['half a per cent', `placement = "split"\n${FAST}split = 99.5\n`, 'split takes a whole number'],
    [
      'a store without its part',
      `placement = "split"\n${FAST}split = 100\n${COLD}`,
      'number 2 (\'cold\'): with placement = "split" it needs split',
    ],
    [
      'a part where nothing is split',
      `${FAST}split = 40\n`,
      'split goes with placement = "split", not with "in-order"',
    ],
    [
      'a part of a store that takes nothing',
      `placement = "split"\n${FAST}split = 100\n${COLD}split = 1\nread-only = true\n`,
      'a read-only store gets no new blobs',
    ],
    ['two of one name', FAST + FAST.replace('/fast', '/other'), "two stores are called 'fast'"],
    ['two in one folder', FAST + COLD.replace('/cold', '/fast/../fast/'), "'fast' and 'cold' are one place (/fast)"],
    [
      'one inside another',
      FAST + COLD.replace('/cold', '/fast/below'),
      "'cold' (/fast/below) lies inside 'fast' (/fast)",
    ],
    ['one around another', FAST + COLD.replace('/cold', '/'), "'fast' (/fast) lies inside 'cold' (/)"],
    [
      'one bucket twice',
      BUCKET + BUCKET.replace('far', 'near') + 'prefix = "some"\n',
      "'near' (s3://some-bucket/some/) lies inside 'far' (s3://some-bucket/)",
    ],
    ['a key that nobody knows', `${FAST}pth = "/x"\n`, "number 1 ('fast'): unknown key 'pth' (did you mean path?)"],
    ['a key of another type', `${FAST}bucket = "x"\n`, "unknown key 'bucket'"],
    [
      'a slip in the key of a bucket',
      `${BUCKET}regoin = "x"\n`,
      "number 1 ('far'): unknown key 'regoin' (did you mean region?)",
    ],
    [
      'a bucket with a wrong value',
      BUCKET.replace('some-bucket', 'Some'),
      "number 1 ('far'): bucket takes the name of a bucket",
    ],
    ['a type that is none', FAST.replace('"fs"', '"local"'), "type takes 'fs' or 's3'"],
    ['no name', FAST.replace('name = "fast"\n', ''), '[[stores]] number 1: name is missing'],
    ['a name with a slash', FAST.replace('"fast"', '"a/b"'), 'name takes a name of lower-case letters'],
    ['no path', FAST.replace('path = "/fast"\n', ''), 'path is missing: it takes an absolute path'],
    ['a path from wherever one stands', FAST.replace('/fast', 'fast'), 'path takes an absolute path'],
    ['only stores that take nothing', `${FAST}read-only = true\n`, 'every one is read-only'],
    ['an empty list', 'stores = []\nplacement = "split"\n', '--placement needs stores to choose from'],
    ['a table that is no list', '[stores]\nname = "x"\n', '/etc/depot/depot.toml: stores must be tables: [[stores]]'],
    ['a list of names', 'stores = ["x"]\n', 'stores must be tables'],
    [
      'a placement that is none',
      `placement = "leastused"\n${FAST}`,
      "--placement takes round-robin, in-order, split, least-used, not 'leastused' (did you mean least-used?)",
    ],
    [
      'the type of the one store besides',
      `storage-type = "fs"\n${FAST}`,
      '--storage-type is for a depot with one store',
    ],
    ['a slip in the name of the list', FAST.replace('[[stores]]', '[[store]]'), "unknown setting 'store'"],
  ])('are refused with %s', (_name, text, message) => {
    expect(refusalOf(text)).toContain(message)
  })

  it('are refused where no tables are: on the command line', () => {
    expect(refusalOf('', { placement: ['round-robin'] })).toContain('--placement needs stores to choose from')
  })

  it('are refused beyond 64', () => {
    const many = Array.from({ length: 65 }, (_, index) => FAST.replaceAll('fast', `s${index}`)).join('')
    expect(refusalOf(many)).toContain('64 stores at most')
  })
})
