import { expect, it } from 'vitest'

import { serveConfig } from '../../../cmd/settings/parse-config.ts'
import { greeting } from '../../../cmd/serve/greeting.ts'

const BUCKET = {
  'storage-type': ['s3'],
  's3-bucket': ['team'],
  's3-prefix': ['depot'],
  's3-access-key-id': ['key'],
  's3-secret-access-key': ['hidden'],
}
const DATABASE = { 'database-url': ['postgres://depot:hidden@db.example.org/depot'] }

it.each([
  ['one folder', {}, 'data in /home/me/.local/share/depot'],
  ['a bucket', BUCKET, 'blobs in s3://team/depot/; names in /home/me/.local/share/depot'],
  ['PostgreSQL', DATABASE, 'blobs in /home/me/.local/share/depot; names in PostgreSQL'],
  ['both', { ...BUCKET, ...DATABASE }, 'blobs in s3://team/depot/; names in PostgreSQL'],
])('the greeting of a server with %s says where its data lies, and no secret', (_, values, expected) => {
  const config = serveConfig(new Map(Object.entries<string[]>(values)), {}, '/home/me')
  const text = greeting({ url: 'http://127.0.0.1:8080', publicKeys: [], readsAreOpen: true }, config)
  expect(text).toContain(`(${expected})`)
  expect(text).not.toContain('hidden')
})
