/** The words that a grant may begin with: the names of all ecosystems of `index.ts`. */
export const ECOSYSTEMS = ['nix', 'npm', 'python'] as const
