import { checkAccount } from './account.ts'
import { withDepot, type ClientContext } from './client-context.ts'
import type { Check } from './finding.ts'
import { checkNix } from './nix.ts'
import { checkNpm } from './npm.ts'
import { checkPnpm, checkYarn } from './other-npm-clients.ts'
import { checkPip } from './pip.ts'
import { checkProxy } from './proxy-variables.ts'
import { checkAddress, checkDepot, checkSkew, checkTls } from './reach.ts'
import { checkTokenFiles } from './token-files.ts'
import { checkUploads } from './twine.ts'
import { checkUv } from './uv.ts'

/** What is looked at on a machine that uses a depot, in the order in which it is told. */
export const CLIENT_CHECKS = [
  { name: 'address', about: 'the name, and the port behind it', run: checkAddress },
  { name: 'tls', about: 'the certificate: for which name, until when, of whom', run: checkTls },
  { name: 'proxy', about: 'variables that lead clients elsewhere', run: checkProxy },
  { name: 'depot', about: 'whether a depot answers, at this very address', run: checkDepot },
  { name: 'clock', about: 'whether it agrees with that of the depot', run: withDepot(checkSkew) },
  {
    name: 'account',
    about: 'who you are there, what you may do, whether your tokens are good, and its version',
    run: withDepot(checkAccount),
  },
  { name: 'token-files', about: 'who can read the files with tokens', run: checkTokenFiles },
  { name: 'nix', about: 'substituters, trusted keys, netrc, roots, the signature of a path', run: checkNix },
  { name: 'npm', about: 'the registry that counts in this folder, scopes, token, roots, lock file', run: checkNpm },
  { name: 'pnpm', about: 'its registry', run: checkPnpm },
  { name: 'yarn', about: 'the registry of yarn 4', run: checkYarn },
  { name: 'pip', about: 'the index that counts, further ones, trusted-host, netrc, roots', run: checkPip },
  { name: 'uv', about: 'the same, and index-strategy', run: checkUv },
  { name: 'uploads', about: 'where .pypirc and variables send distributions', run: checkUploads },
] as const satisfies readonly Check<string, ClientContext>[]
