/**
 * What a newcomer pastes next, where clients need no credentials of their own: a depot that asks for none, or a proxy that adds them.
 * npm and twine want some token before they send anything; it is not looked at.
 *
 * @param base URL without a trailing slash
 * @param publicKeys Nix public keys of the depot
 */
export function clientLines(base: string, publicKeys: readonly string[]): readonly string[] {
  return [
    `Nix     nix copy --to '${base}/nix' ./result`,
    `        nix copy --from '${base}/nix' --option trusted-public-keys '${publicKeys.join(' ')}' /nix/store/…`,
    `npm     npm publish --registry ${base}/npm/ --${base.slice(base.indexOf('//'))}/npm/:_authToken=any`,
    `        npm install --registry ${base}/npm/ <package>`,
    `Python  uv publish --publish-url ${base}/python/legacy/ --token any dist/*`,
    `        pip install --index-url ${base}/python/simple/ <project>`,
  ]
}
