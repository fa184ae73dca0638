import { python } from '../../../protocols/python/index.ts'
import { describeProtocol } from '../../conformance/protocol.ts'
import { postForm, uploadForm } from '../../helpers/python-upload.ts'
import { buildWheel } from '../../helpers/wheel.ts'

const WHEEL = buildWheel({ name: 'foo', version: '1.0' })

describeProtocol({
  protocol: python,
  readable: [
    '/python/simple/',
    '/python/simple/foo/',
    '/python/foo/',
    `/python/files/foo/${WHEEL.filename}`,
    `/python/files/foo/${WHEEL.filename}.metadata`,
  ],
  missing: '/python/simple/absent/',
  async fill({ url }) {
    await postForm(url, uploadForm(WHEEL))
  },
})
