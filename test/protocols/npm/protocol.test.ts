import { npmProtocol } from '../../../protocols/npm/index.ts'
import { describeProtocol } from '../../conformance/protocol.ts'
import { publish } from '../../helpers/npm-world.ts'

describeProtocol({
  protocol: npmProtocol(),
  readable: [
    '/npm/-/ping',
    '/npm/left-pad',
    '/npm/left-pad/1.0.0',
    '/npm/left-pad/-/left-pad-1.0.0.tgz',
    '/npm/@acme%2fbutton',
    '/npm/-/package/left-pad/dist-tags',
  ],
  missing: '/npm/nowhere',
  async fill(world) {
    await publish(world, { name: 'left-pad', version: '1.0.0' })
    await publish(world, { name: '@acme/button', version: '1.0.0' })
  },
})
