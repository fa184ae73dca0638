import { HOSTILE_DISTRIBUTIONS, type HostileDistribution } from '../helpers/hostile-distributions.ts'
import { pythonFiles, pythonProjects } from '../helpers/many-records.ts'
import { sha256Hex } from '../helpers/nar.ts'
import { type Form, postForm, uploadForm } from '../helpers/python-upload.ts'
import type { Row } from './run.ts'
import { held, statusOf, watched, type Watched } from './watched.ts'

const JSON_PAGE = 'application/vnd.pypi.simple.v1+json'

/** Uploads that are much to look into, and pages that are long. */
export async function pythonHolds(dir: string): Promise<readonly Row[]> {
  await using many = await watched(dir, [pythonProjects(100_000), pythonFiles('many', 10_000)])
  const rows: Row[] = []
  for (const [index, hostile] of HOSTILE_DISTRIBUTIONS.entries()) {
    const forms = [0, 1, 2].map((round) => formOf(hostile, `1.${index}.${round}`))
    const upload = (round: number): Promise<string> => post(many, forms[round])
    rows.push(await held(many, `the upload of ${hostile.what}`, upload))
  }
  for (const accept of [JSON_PAGE, 'text/html']) {
    const form = accept === JSON_PAGE ? 'JSON' : 'HTML'
    rows.push(
      await held(many, `/simple/ of 100,000 projects in ${form}`, () => page(many, '/python/simple/', accept)),
      await held(many, `a project of 10,000 files in ${form}`, () => page(many, '/python/simple/many/', accept)),
    )
  }
  return [...rows, await held(many, '/many/json of 10,000 files', () => page(many, '/python/many/json', '*/*'))]
}

function formOf(hostile: HostileDistribution, version: string): Form {
  const bytes = hostile.bytes(version)
  const metadata = `Name: foo\nVersion: ${version}\n`
  return uploadForm({ filename: hostile.filename(version), bytes, sha256: sha256Hex(bytes), metadata })
}

async function post({ depot }: Watched, form: Form | undefined): Promise<string> {
  if (form === undefined) throw new Error('there is no form for this round')
  return statusOf(postForm(depot.url, form), 200, 400, 413, 422)
}

function page({ depot }: Watched, path: string, accept: string): Promise<string> {
  return statusOf(fetch(depot.url + path, { headers: { accept, 'accept-encoding': 'gzip' } }), 200)
}
