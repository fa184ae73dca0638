import type { Command, CommandGroup } from './cli.ts'
import { STDIO } from './stdio.ts'

const audit: CommandGroup = {
  descriptions: {
    list: 'Show who changed what, and who was refused',
    verify: 'Check that no line was changed or removed',
    export: 'Write the whole log as JSON lines',
  },
  commands: {
    list: async () => (await import('./audit.ts')).auditListCommand(process.env),
    verify: async () => (await import('./audit.ts')).auditVerifyCommand(process.env),
    export: async () => (await import('./audit.ts')).auditExportCommand(process.env),
  },
}

const store: CommandGroup = {
  descriptions: { list: 'List the stores of blobs', move: 'Move all blobs of a store to another' },
  commands: {
    list: async () => (await import('./store/list.ts')).storeListCommand(process.env, STDIO),
    move: async () => (await import('./store/move.ts')).storeMoveCommand(process.env, STDIO),
  },
}

const token: CommandGroup = {
  descriptions: { create: 'Make a token for a client', list: 'List your tokens', revoke: 'End tokens' },
  commands: {
    create: async () => (await import('./token/create.ts')).tokenCreateCommand(process.env, STDIO),
    list: async () => (await import('./token/list.ts')).tokenListCommand(process.env, STDIO),
    revoke: async () => (await import('./token/list.ts')).tokenRevokeCommand(process.env, STDIO),
  },
}

const key: CommandGroup = {
  descriptions: {
    generate: 'Make a key',
    public: 'Print the public key of a secret one',
    list: 'List the keys that the server signs with',
    rotate: 'Make a further key beside them',
  },
  commands: {
    generate: async () => (await import('./signing/key.ts')).keyGenerateCommand(STDIO),
    public: async () => (await import('./signing/key.ts')).keyPublicCommand(STDIO),
    list: async () => (await import('./signing/key.ts')).keyListCommand(process.env, STDIO),
    rotate: async () => (await import('./signing/key.ts')).keyRotateCommand(process.env, STDIO),
  },
}

const nix: CommandGroup = {
  descriptions: {
    list: 'List the store paths of a depot',
    info: 'Tell what a depot knows of store paths',
    rm: 'Delete store paths from a depot',
    save: 'Save store paths and all that they need into a folder',
    push: 'Bring store paths and all that they need into a depot',
  },
  commands: {
    list: async () => (await import('./nix/paths.ts')).nixListCommand(process.env, STDIO),
    info: async () => (await import('./nix/paths.ts')).nixInfoCommand(process.env, STDIO),
    rm: async () => (await import('./nix/rm.ts')).nixRmCommand(process.env, STDIO),
    save: async () => (await import('./nix/save.ts')).nixSaveCommand(process.env, STDIO),
    push: async () => (await import('./nix/push.ts')).nixPushCommand(process.env, STDIO),
  },
}

const npm: CommandGroup = {
  descriptions: {
    save: 'Save packages with all that they need, to be carried to a depot',
    push: 'Bring in packages that were saved',
    import: 'Bring in the packages of a Verdaccio',
    forget: 'Let the name of a deleted version be used again',
    'rewrite-lock': 'Point the addresses in lock files at a depot',
  },
  commands: {
    save: async () => (await import('./npm/save.ts')).npmSaveCommand(process.env, STDIO),
    push: async () => (await import('./npm/push.ts')).npmPushCommand(process.env, STDIO),
    import: async () => (await import('./npm/import.ts')).npmImportCommand(process.env, STDIO),
    forget: async () => (await import('./npm/forget.ts')).npmForgetCommand(process.env, STDIO),
    'rewrite-lock': async () => (await import('./npm/rewrite-lock.ts')).npmRewriteLockCommand(process.env, STDIO),
  },
}

const python: CommandGroup = {
  descriptions: {
    save: 'Save distributions with all that they depend on, to be carried to a depot',
    import: 'Bring in the wheels and sdists of a folder',
    push: 'Bring what was saved into a depot',
    'rewrite-lock': 'Point the addresses in lock files at a depot',
    list: 'List projects, or the files of one',
    yank: 'Keep installers from a version',
    unyank: 'Take a yank back',
    rm: 'Delete a file, a version or a project',
    status: 'Archive, quarantine or deprecate a project',
    forget: 'Let the name of a deleted file be used again',
  },
  commands: {
    save: async () => (await import('./python/save.ts')).pythonSaveCommand(process.env, STDIO),
    import: async () => (await import('./python/import.ts')).pythonImportCommand(process.env, STDIO),
    push: async () => (await import('./python/push.ts')).pythonPushCommand(process.env, STDIO),
    'rewrite-lock': async () => (await import('./python/rewrite-lock.ts')).pythonRewriteLockCommand(process.env, STDIO),
    list: async () => (await import('./python/projects.ts')).pythonListCommand(process.env, STDIO),
    yank: async () => (await import('./python/yank.ts')).pythonYankCommand(process.env, STDIO),
    unyank: async () => (await import('./python/yank.ts')).pythonUnyankCommand(process.env, STDIO),
    rm: async () => (await import('./python/rm.ts')).pythonRmCommand(process.env, STDIO),
    status: async () => (await import('./python/projects.ts')).pythonStatusCommand(process.env, STDIO),
    forget: async () => (await import('./python/rm.ts')).pythonForgetCommand(process.env, STDIO),
  },
}

const bundle: CommandGroup = {
  descriptions: {
    create: 'Make one file of everything that was saved',
    verify: 'Check who signed a bundle and that it is whole',
    import: 'Verify a bundle and unpack it',
    list: 'Show what is in a bundle',
    diff: 'Show what a bundle has that another has not',
  },
  commands: {
    create: async () => (await import('./bundle/create.ts')).bundleCreateCommand(process.env, STDIO),
    verify: async () => (await import('./bundle/verify.ts')).bundleVerifyCommand(STDIO),
    import: async () => (await import('./bundle/import.ts')).bundleImportCommand(process.env, STDIO),
    list: async () => (await import('./bundle/list.ts')).bundleListCommand(STDIO),
    diff: async () => (await import('./bundle/list.ts')).bundleDiffCommand(STDIO),
  },
}

/** All commands. What the overviews say stands here, so that neither they nor one command need load the others. */
export const COMMANDS: CommandGroup = {
  descriptions: {
    serve: 'Serve Nix, npm and Python clients',
    doctor: 'Say what is wrong on this machine, and what to do',
    fsck: 'Check that everything that was stored is whole',
    store: 'The stores that blobs lie in',
    audit: 'Read and check the audit log',
    key: 'Keys that sign Nix paths',
    nix: 'Store paths in a depot',
    npm: 'npm packages in a depot',
    python: 'Python distributions in a depot',
    push: 'Bring everything that was saved into a depot',
    wanted: 'List what clients asked for in vain',
    inventory: 'List what a depot holds, by digest',
    bundle: 'What crosses an air gap: everything that was saved, in one file',
    login: 'Find the SSH key that a depot knows, and remember both',
    whoami: 'Say who a depot takes you for',
    use: 'Let nix, npm, pip and uv work with a depot',
    proxy: 'Lend your SSH key to clients on this machine',
    token: 'Tokens for clients that cannot use an SSH key',
    logout: 'End what login and use began',
    completions: 'Complete commands and options in bash, zsh or fish',
    man: 'The manual page',
    'systemd-unit': 'A unit that runs the server, hardened',
  },
  commands: {
    serve: async () => (await import('./serve.ts')).serveCommand(process.env),
    doctor: async () =>
      (await import('./doctor.ts')).doctorCommand({ env: process.env, io: STDIO, cwd: process.cwd() }),
    fsck: async () => (await import('./fsck.ts')).fsckCommand(process.env),
    store,
    audit,
    key,
    nix,
    npm,
    python,
    push: async () => (await import('./push.ts')).pushCommand(process.env, STDIO),
    wanted: async () => (await import('./wanted.ts')).wantedCommand(process.env, STDIO),
    inventory: async () => (await import('./inventory.ts')).inventoryCommand(process.env, STDIO),
    bundle,
    login: async () => (await import('./login.ts')).loginCommand(process.env, STDIO),
    whoami: async () => (await import('./whoami.ts')).whoamiCommand(process.env, STDIO),
    use: async () => (await import('./use/use.ts')).useCommand(process.env, STDIO),
    proxy: async () => (await import('./proxy.ts')).proxyCommand(process.env, STDIO),
    token,
    logout: async () => (await import('./logout.ts')).logoutCommand(process.env, STDIO),
    completions: async () => (await import('./completions.ts')).completionsCommand(COMMANDS, STDIO),
    man: async () => (await import('./man.ts')).manCommand(COMMANDS, process.env, STDIO),
    'systemd-unit': async () =>
      (await import('./systemd-unit.ts')).systemdUnitCommand([process.execPath, process.argv[1] ?? ''], STDIO),
  },
}

/** Every command below a group, loaded, in the order of the overviews. */
export async function everyCommand({ commands }: CommandGroup): Promise<readonly Command[]> {
  const found = await Promise.all(
    Object.values(commands).map(async (entry) =>
      typeof entry === 'function' ? [await entry()] : await everyCommand(entry),
    ),
  )
  return found.flat()
}
