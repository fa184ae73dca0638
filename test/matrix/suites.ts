/**
 * Test files whose promises are the stores' as much as their own: commits, claims, ranges, listing and deletion. What an ecosystem makes of
 * names and bytes is tested on one pair of stores, and races between servers have a PostgreSQL of their own. Paths below `test`, without
 * `.test.ts`.
 */
export const SUITES = [
  'src/depot',
  'src/node/one-at-a-time',
  'protocols/toy',
  'protocols/nix/protocol',
  'protocols/nix/nar-upload',
  'protocols/nix/narinfo-upload',
  'protocols/nix/download',
  'protocols/nix/deletion',
  'protocols/nix/missing',
  'protocols/nix/log',
  'protocols/nix/realisation',
  'protocols/npm/protocol',
  'protocols/npm/publish-routes',
  'protocols/npm/read-routes',
  'protocols/npm/seed-routes',
  'protocols/npm/missing-versions',
  'protocols/python/protocol',
  'protocols/python/upload',
  'protocols/python/seed-put',
  'protocols/python/index-pages',
  'protocols/python/missing',
] as const
