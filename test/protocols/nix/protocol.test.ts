import { nixProtocol } from '../../../protocols/nix/index.ts'
import { generateSecretKey, parseSecretKey } from '../../../protocols/nix/signing.ts'
import { describeProtocol } from '../../conformance/protocol.ts'
import { storePathOf } from '../../helpers/store-path.ts'

const PUSHED = storePathOf('hello', Buffer.from('hello, world'), 'gzip')

describeProtocol({
  protocol: nixProtocol({ signingKeys: [parseSecretKey(generateSecretKey('test-1'))] }),
  readable: [
    '/nix/nix-cache-info',
    `/nix/${PUSHED.key}.narinfo`,
    `/nix/${PUSHED.key}.ls`,
    `/nix/nar/${PUSHED.narHash}.nar`,
    `/nix/nar/${PUSHED.narHash}.nar.zst`,
    `/nix/nar/${PUSHED.file}`,
  ],
  missing: `/nix/${'0'.repeat(32)}.narinfo`,
  async fill({ fetch }) {
    await fetch(`/nix/nar/${PUSHED.file}`, { method: 'PUT', body: Uint8Array.from(PUSHED.packed) })
    await fetch(`/nix/${PUSHED.key}.narinfo`, { method: 'PUT', body: PUSHED.narinfo })
  },
})
