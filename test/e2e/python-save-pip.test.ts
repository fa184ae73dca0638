import path from 'node:path'

import { expect, it } from 'vitest'

import { describeWith, have } from '../helpers/have.ts'
import { saver } from '../helpers/python-save.ts'
import { pythonUpstream } from '../helpers/python-upstream.ts'
import { buildWheel } from '../helpers/wheel.ts'

const top = buildWheel({ name: 'top', version: '1.0', requires: ['compiled'] })
const windows = buildWheel({ name: 'compiled', version: '1.0', tag: 'cp312-cp312-win_amd64' })

describeWith(
  ['python', 'pip22', 'pip23', 'pip23Late', 'pip24', 'pip'],
  'depot python save where pip finds the versions',
  () => {
    for (const which of ['pip22', 'pip23', 'pip23Late', 'pip24', 'pip'] as const)
      it(`saves for another Python and system than its own: ${which}`, async () => {
        await using upstream = await pythonUpstream([top, windows])
        await using outside = await saver(upstream, 'none')

        const asked = ['top', '--python', '3.12', '--platform', 'windows-x86_64']
        const { status, stderr } = await outside.save(asked, { env: { PATH: path.dirname(have.paths[which]) } })

        expect(stderr).toBe('')
        expect(status).toBe(0)
        expect(await outside.saved()).toContain(`compiled/${windows.filename}`)
      })

    it('takes the name of a lock file that is not here for no project', async () => {
      await using upstream = await pythonUpstream([top])
      await using outside = await saver(upstream, 'none')
      for (const name of ['uv.lock', 'requirements.txt']) {
        const { status, stderr } = await outside.save([name])
        expect(stderr).toContain(`'${name}' is no file that is here`)
        expect(status).toBe(2)
      }
    })
  },
)
